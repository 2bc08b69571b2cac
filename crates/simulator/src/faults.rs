//! What may go wrong in a simulation, and how bad it is under one seed.

use std::str::FromStr;

use crate::dice::Dice;

/// A kind of fault that can be switched on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Messages are lost, up to 30 %.
    Loss,
    /// Messages arrive twice, up to 50 %.
    Duplicate,
    /// Messages take long and overtake each other.
    Delay,
    /// Links are cut for a while, also in one direction only.
    Partition,
    /// Validators crash at any action and come back from their disks.
    Crash,
    /// A crash loses or tears what was not synced.
    Tear,
    /// Clocks run ahead, behind and at other speeds.
    Skew,
    /// Up to f validators lie.
    Byzantine,
    /// Up to f validators run twice with one key.
    Twins,
    /// One of the f faulty validators loses its disks in a crash, and comes back without memory.
    LostDisk,
    /// One of the f faulty validators finds flipped bits on its disk. Only when asked for.
    Bitrot,
}

impl Fault {
    /// All kinds with their names.
    pub const ALL: [(Fault, &'static str); 11] = [
        (Fault::Loss, "loss"),
        (Fault::Duplicate, "duplicate"),
        (Fault::Delay, "delay"),
        (Fault::Partition, "partition"),
        (Fault::Crash, "crash"),
        (Fault::Tear, "tear"),
        (Fault::Skew, "skew"),
        (Fault::Byzantine, "byzantine"),
        (Fault::Twins, "twins"),
        (Fault::LostDisk, "lostdisk"),
        (Fault::Bitrot, "bitrot"),
    ];
}

/// A set of [`Fault`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// No fault at all.
    pub const NONE: Faults = Faults(Vec::new());

    /// Whether a kind is in the set.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

impl Default for Faults {
    /// Everything but flipped bits.
    fn default() -> Self {
        Faults(Fault::ALL.iter().map(|(fault, _)| *fault).filter(|f| *f != Fault::Bitrot).collect())
    }
}

/// A name that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault; there are: all, none, {names}", names = Fault::ALL.map(|(_, name)| name).join(", "))]
pub struct UnknownFault(pub String);

impl FromStr for Faults {
    type Err = UnknownFault;

    /// Reads a list of names separated by commas; `all` is every kind, `none` is none.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut faults = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match (name, Fault::ALL.iter().find(|(_, n)| *n == name)) {
                ("none", _) => {}
                ("all", _) => faults.extend(Fault::ALL.map(|(fault, _)| fault)),
                (_, Some((fault, _))) => faults.push(*fault),
                _ => return Err(UnknownFault(name.to_owned())),
            }
        }
        faults.sort_unstable();
        faults.dedup();
        Ok(Faults(faults))
    }
}

/// How bad things are while bad weather lasts. Chances are in 1/10,000, times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Chance that a message is lost.
    pub loss: u64,
    /// Chance that a message arrives twice.
    pub duplicate: u64,
    /// Least and greatest delay of a message.
    pub delay: (u64, u64),
    /// Chance that a message takes ten times its delay.
    pub slow: u64,
    /// Greatest time that a group of writes takes.
    pub disk: u64,
    /// Chance of a crash at each action.
    pub crash: u64,
    /// Chance, at each change of the weather, that links are cut.
    pub cut: u64,
}

impl Weather {
    /// Nothing is lost or late: a delay of 10 ms.
    pub const CALM: Weather = Weather { loss: 0, duplicate: 0, delay: (10, 10), slow: 0, disk: 0, crash: 0, cut: 0 };

    /// Draws the bad weather of a seed.
    pub fn draw(faults: &Faults, dice: &mut Dice) -> Self {
        // Drawn whether wanted or not, so that switching one kind off leaves the others as they were.
        let (loss, duplicate) = (dice.below(3000), dice.below(5000));
        let (delay, slow) = ((1, dice.between(2, 60)), dice.below(500));
        let disk = dice.below(12);
        let crash = if dice.chance(6000) { dice.below(200) } else { 0 };
        let cut = dice.below(6000);
        let calm = Weather::CALM;
        let when = |fault, value, otherwise| if faults.has(fault) { value } else { otherwise };
        Weather {
            loss: when(Fault::Loss, loss, 0),
            duplicate: when(Fault::Duplicate, duplicate, 0),
            delay: if faults.has(Fault::Delay) { delay } else { calm.delay },
            slow: when(Fault::Delay, slow, 0),
            disk,
            crash: when(Fault::Crash, crash, 0),
            cut: when(Fault::Partition, cut, 0),
        }
    }
}

/// A validator's clock: virtual time, ahead or behind, a little fast or slow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Milliseconds ahead.
    pub ahead: u64,
    /// Milliseconds gained per 10,000.
    pub fast: u64,
}

impl Clock {
    /// Draws a clock within `precision` milliseconds of the others, for a run of about `span` milliseconds.
    pub fn draw(dice: &mut Dice, precision: u64, span: u64) -> Self {
        let (ahead, drift) = (dice.below(precision / 2), dice.below(precision / 2));
        Clock { ahead, fast: drift * 10_000 / span.max(1) }
    }

    /// What it shows after `now` milliseconds.
    pub fn show(&self, now: u64) -> u64 {
        now + self.ahead + now * self.fast / 10_000
    }

    /// The least virtual time at which it shows `shown` or more.
    pub fn reach(&self, shown: u64) -> u64 {
        let without = shown.saturating_sub(self.ahead);
        let mut now = without * 10_000 / (10_000 + self.fast);
        while self.show(now) < shown {
            now += 1;
        }
        now
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_name_faults() {
        assert!("loss, tear".parse::<Faults>().unwrap().has(Fault::Tear));
        assert_eq!("none".parse::<Faults>().unwrap(), Faults::NONE);
        assert!("all".parse::<Faults>().unwrap().has(Fault::Bitrot));
        assert!(!Faults::default().has(Fault::Bitrot));
        let error = "los".parse::<Faults>().unwrap_err().to_string();
        assert!(error.contains("\"los\"") && error.contains("partition"), "{error}");
    }

    #[test]
    fn a_clock_reaches_what_it_shows() {
        for clock in [Clock::default(), Clock { ahead: 30, fast: 7 }, Clock { ahead: 0, fast: 10_000 }] {
            for now in 0..500 {
                let shown = clock.show(now);
                let reached = clock.reach(shown);
                assert!(clock.show(reached) >= shown && reached <= now);
            }
        }
    }
}
