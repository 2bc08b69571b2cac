//! Scenarios: scripts in `tests/scenarios/*.txt` with the transcript of what each command led to.
//!
//! A line that begins with `>` is a command; what follows it is what must happen, in order. `VOSTRO_UPDATE=1` writes
//! the transcripts anew: read the difference before you keep it. Messages wait in the network until a script delivers
//! or drops them; disks and execution answer at once unless told otherwise; time passes by `tick` only.

// how a test is run comes from the environment; the core below it sees none
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use vostro_consensus::{GuardMark, Input, Message, PrePrepare, Timing, ViewChange, Vote, Waiting};
use vostro_crypto::{Hash, sha256};
use vostro_types::{Height, ValidatorIndex, View};

use crate::cluster::world::{Flight, Weather, World};

const TIMING: Timing =
    Timing { base_timeout_ms: 1000, heartbeat_ms: 10_000, delay_ms: 500, precision_ms: 100, rebroadcast_ms: 5000 };
/// Rounds of messages that one `deliver` may lead to.
const ROUNDS: usize = 100;

struct Command<'a> {
    verb: &'a str,
    words: Vec<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let verb = words.next().expect("a command has a verb");
        let (options, words): (Vec<&str>, Vec<&str>) = words.partition(|w| w.contains('='));
        Command { verb, words, options: options.into_iter().map(|o| o.split_once('=').unwrap()).collect() }
    }

    fn node(&self, at: usize) -> usize {
        self.words[at].parse().unwrap_or_else(|_| panic!("{} {:?}: not a node", self.verb, self.words))
    }

    fn nodes(&self, world: &World) -> Vec<usize> {
        if self.words == ["all"] {
            return (0..world.nodes.len()).collect();
        }
        (0..self.words.len()).map(|at| self.node(at)).collect()
    }

    fn number(&self, option: &str, default: u64) -> u64 {
        self.options.get(option).map_or(default, |v| v.parse().unwrap())
    }

    fn list(&self, option: &str) -> Option<Vec<usize>> {
        self.options.get(option).map(|v| v.split(',').map(|i| i.parse().unwrap()).collect())
    }

    fn matches(&self, flight: &Flight) -> bool {
        let message = &flight.signed.message;
        self.list("from").is_none_or(|l| l.contains(&flight.from))
            && self.list("to").is_none_or(|l| l.contains(&flight.to))
            && self.options.get("kind").is_none_or(|k| k.split(',').any(|k| k == message.name()))
            && self.options.get("block").is_none_or(|b| (*b == "yes") == carries_block(message))
            && self.options.get("view").is_none_or(|v| v.parse() == Ok(message.view().0))
    }
}

fn carries_block(message: &Message) -> bool {
    match message {
        Message::PrePrepare(_) => true,
        Message::ViewChange(change) => change.block.is_some(),
        Message::Prepare(_) | Message::Commit(_) | Message::Status(_) => false,
    }
}

fn obey(world: &mut World, command: &Command) {
    match command.verb {
        "demand" => command.nodes(world).into_iter().for_each(|i| world.demand(i)),
        "crash" => {
            for i in command.nodes(world) {
                world.crash(i);
                if command.options.get("log") == Some(&"lost") {
                    world.nodes[i].disk.lose_log();
                }
                match command.options.get("disk") {
                    Some(&"lost") => world.lose_disk(i),
                    Some(&"new") => {
                        world.lose_disk(i);
                        world.nodes[i].disk.guard = Some(GuardMark::never_signed());
                    }
                    _ => {}
                }
            }
        }
        "restart" => command.nodes(world).into_iter().for_each(|i| world.restart(i)),
        "tick" => {
            let end = world.now + command.words[0].parse::<u64>().unwrap();
            world.run_to(end);
        }
        "deliver" => deliver(world, command),
        // What a faulty validator keeps of what is on its way, to show it to others later.
        "keep" => {
            let kept = world.flights.iter().filter(|f| command.matches(f)).map(|f| f.signed.clone()).collect();
            world.archive = kept;
        }
        "show" => {
            for signed in world.archive.clone() {
                for to in command.list("to").unwrap_or_default() {
                    world.transmit(command.node(0), to, signed.clone());
                }
            }
        }
        "drop" => world.flights.retain(|flight| !command.matches(flight)),
        "isolate" => {
            for i in command.nodes(world) {
                for j in 0..world.nodes.len() {
                    world.cut.insert((i, j));
                    world.cut.insert((j, i));
                }
            }
        }
        "rejoin" => world.cut.clear(),
        "reconnect" => {
            let peer = ValidatorIndex(command.node(1) as u16);
            world.input(command.node(0), Input::Reconnected(peer));
        }
        "disk" => match command.words[1] {
            "stuck" => world.nodes[command.node(0)].disk_stuck = true,
            "free" => world.free_disk(command.node(0)),
            other => panic!("no such disk: {other}"),
        },
        "sync" => {
            let from = ValidatorIndex(command.number("from", 0) as u16);
            world.fetch(command.node(0), from);
        }
        "forge" => forge(world, command),
        "state" => {
            for i in 0..world.nodes.len() {
                let state = match &world.nodes[i].replica {
                    Some(r) if r.waiting().is_some() => {
                        let waiting = match r.waiting() {
                            Some(Waiting::Statuses { heard, needed }) => format!("heard {heard} of {needed}"),
                            Some(Waiting::Height(height)) => format!("votes from h{height}"),
                            None => String::new(),
                        };
                        format!("at h{} v{} {}, {waiting}", r.height(), r.view(), r.phase())
                    }
                    Some(r) => format!("at h{} v{} {}", r.height(), r.view(), r.phase()),
                    None => "is down".into(),
                };
                world.note(i, state);
            }
        }
        other => panic!("no such command: {other}"),
    }
    world.run_to(world.now);
}

/// Without a filter: all messages, and those they lead to, until the network is quiet. With one: those that wait now.
fn deliver(world: &mut World, command: &Command) {
    for _ in 0..ROUNDS {
        let all = std::mem::take(&mut world.flights);
        let (now, wait): (Vec<Flight>, Vec<Flight>) = all.into_iter().partition(|f| command.matches(f));
        world.flights = wait;
        if now.is_empty() {
            return;
        }
        for flight in now {
            world.deliver(flight.from, flight.to, flight.life, &flight.bytes);
            world.run_to(world.now);
        }
        if !command.options.is_empty() {
            return;
        }
    }
    panic!("the network does not come to rest");
}

/// A message that a faulty validator signs past its guard: `forge 1 prepare h=1 v=0 block=B1 to=0,2`. An unknown block
/// name makes a new block on the tip of the first receiver; `bad=1` makes it invalid, `time=` sets its distance from now.
fn forge(world: &mut World, command: &Command) {
    let sender = ValidatorIndex(command.node(0) as u16);
    let (height, view) = (Height(command.number("h", 1)), View(command.number("v", 0)));
    let to = command.list("to").unwrap_or_else(|| (0..world.nodes.len()).filter(|i| *i != command.node(0)).collect());
    let block = command.options.get("block").map(|name| {
        world.block_named(name).unwrap_or_else(|| {
            let parent = world.nodes[to[0]].replica.as_ref().unwrap().tip().block;
            let ahead = command.options.get("time").map_or(0, |t| t.parse::<i64>().unwrap());
            let now = world.wall(to[0]);
            let time = if ahead < 0 { now.minus(ahead.unsigned_abs()) } else { now.plus(ahead.unsigned_abs()) };
            let mut block = (*world.chain.block(height, parent, time, sha256(name.as_bytes()))).clone();
            if command.number("bad", 0) == 1 {
                block.header.state_root = Hash([0xee; 32]);
            }
            let block = block.into();
            world.know(&block);
            block
        })
    });
    let vote = |block: Option<std::sync::Arc<vostro_types::Block>>| Vote { height, view, block: block.unwrap().id() };
    let message = match command.words[1] {
        "pre-prepare" => Message::PrePrepare(PrePrepare { height, view, block: block.unwrap(), justification: None }),
        "prepare" => Message::Prepare(vote(block)),
        "commit" => Message::Commit(vote(block)),
        "view-change" => Message::ViewChange(ViewChange { height, view, prepared: None, block: None }),
        other => panic!("cannot forge {other}"),
    };
    let signed = world.chain.sign(sender, message);
    let text = world.describe(&signed);
    world.note(command.node(0), format!("forges {text}"));
    for receiver in to {
        world.transmit(command.node(0), receiver, signed.clone());
    }
}

/// Runs a script and returns it with what happened.
fn play(script: &str) -> String {
    let mut played = String::new();
    let mut world: Option<World> = None;
    for line in script.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            played.push_str(line);
            played.push('\n');
            continue;
        }
        let Some(text) = line.strip_prefix('>') else { continue };
        let command = Command::parse(text);
        played.push_str(line);
        played.push('\n');
        let before = world.as_ref().filter(|_| command.verb != "nodes").map_or(0, |w| w.lines.len());
        if command.verb == "nodes" {
            let mut fresh = World::new(command.node(0), 0, Weather::CALM);
            fresh.manual = true;
            fresh.timing = TIMING;
            for liar in command.list("faulty").unwrap_or_default() {
                // a twin alone is an honest core that may be accused
                fresh.nodes[liar].kind = crate::cluster::world::Kind::Twin(0);
            }
            fresh.boot_all();
            fresh.run_to(100);
            fresh.flights.clear();
            fresh.lines.clear();
            world.iter().for_each(World::check_logs);
            world = Some(fresh);
        } else {
            obey(world.as_mut().expect("a script begins with `nodes`"), &command);
        }
        let lines = &world.as_ref().unwrap().lines;
        for happened in lines.iter().skip(before) {
            played.push_str("  ");
            played.push_str(happened);
            played.push('\n');
        }
    }
    world.unwrap().check_logs();
    played
}

#[test]
fn scripts_play_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 14, "the scripts are missing");
    let mut wrong = Vec::new();
    for path in paths {
        let script = fs::read_to_string(&path).unwrap();
        let played = play(&script);
        if std::env::var_os("VOSTRO_UPDATE").is_some() {
            fs::write(&path, &played).unwrap();
        } else if played != script {
            let first = played.lines().zip(script.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: first difference (now, before): {first:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
