#!/usr/bin/env python3
"""Checks docs/signing-vectors.json against docs/signing.md with Python's standard library alone.

It shares no code with the node: its own codec, its own Ed25519 (RFC 8032 signing, ZIP-215 verification) and its own
bech32m. Prints what it checked and ends with 0, or says what differs and ends with 1.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import sys

MAX_TRANSACTION = 65536


class Bad(Exception):
    """Bytes that are no transaction."""


# --- Ed25519: RFC 8032 §5.1, in extended coordinates -------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, p):
    total = IDENTITY
    while n > 0:
        if n & 1:
            total = add(total, p)
        p = add(p, p)
        n >>= 1
    return total


def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def decompress(data):
    """Any encoding of a point: y may exceed p, and the sign of x = 0 may be set (ZIP-215)."""
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    y %= P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P != 0:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - xx) % P != 0:
        return None
    if x & 1 != sign:
        x = -x % P
    return (x, y, 1, x * y % P)


def compress(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def challenge(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return (scalar & ((1 << 254) - 8)) | (1 << 254), digest[32:]


def public_key(seed):
    return compress(times(expand(seed)[0], BASE))


def sign(seed, message):
    scalar, prefix = expand(seed)
    key = compress(times(scalar, BASE))
    nonce = challenge(prefix, message)
    r = compress(times(nonce, BASE))
    s = (nonce + challenge(r, key, message) * scalar) % L
    return r + s.to_bytes(32, "little")


def verify(key, message, signature):
    a, r = decompress(key), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = challenge(signature[:32], key, message)
    return same(times(8, times(s, BASE)), times(8, add(r, times(k, a))))


# --- bech32m: BIP-350 --------------------------------------------------------------------------------------------------

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> i & 1:
                check ^= part
    return check


def expanded(prefix):
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def regroup(data, width_in, width_out, pad):
    buffer = bits = 0
    out = []
    for value in data:
        buffer, bits = buffer << width_in | value, bits + width_in
        while bits >= width_out:
            bits -= width_out
            out.append(buffer >> bits & ((1 << width_out) - 1))
    rest = buffer & ((1 << bits) - 1)
    if pad and bits:
        out.append(rest << (width_out - bits))
    elif not pad and (bits >= width_in or rest):
        raise Bad("bits left over in an account")
    return out


def account_text(data, prefix="vo"):
    values = regroup(data, 8, 5, True)
    check = polymod(expanded(prefix) + values + [0] * 6) ^ 0x2BC830A3
    values += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(CHARSET[v] for v in values)


def account_bytes(text):
    if text.lower() != text and text.upper() != text:
        raise Bad("an account in mixed case")
    prefix, one, rest = text.lower().rpartition("1")
    if not one or prefix != "vo" or len(rest) < 6 or any(c not in CHARSET for c in rest):
        raise Bad("not an account")
    values = [CHARSET.index(c) for c in rest]
    if polymod(expanded(prefix) + values) != 0x2BC830A3:
        raise Bad("an account's checksum")
    data = bytes(regroup(values[:-6], 5, 8, False))
    if len(data) != 32:
        raise Bad("an account's length")
    return data


# --- the codec: each type has `write(json) -> bytes` and `read(reader) -> json` -----------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Bad("the bytes end early")
        self.at += count
        return self.data[self.at - count : self.at]


class Int:
    def __init__(self, width, most=None, text=False):
        self.width, self.most, self.text = width, most, text

    def write(self, value):
        return int(value).to_bytes(self.width, "little")

    def read(self, reader):
        value = int.from_bytes(reader.take(self.width), "little")
        if self.most is not None and value > self.most:
            raise Bad("a number above its bound")
        return str(value) if self.text else value


class Fixed:
    """Bytes of a fixed length, as hex or through other functions."""

    def __init__(self, length, to_bytes=bytes.fromhex, to_text=bytes.hex):
        self.length, self.to_bytes, self.to_text = length, to_bytes, to_text

    def write(self, text):
        data = self.to_bytes(text)
        assert len(data) == self.length
        return data

    def read(self, reader):
        return self.to_text(reader.take(self.length))


class Bool:
    def write(self, value):
        return b"\1" if value else b"\0"

    def read(self, reader):
        value = reader.take(1)[0]
        if value > 1:
            raise Bad("a bool that is neither")
        return value == 1


class Label:
    def write(self, text):
        data = text.encode()
        return len(data).to_bytes(8, "little") + data

    def read(self, reader):
        length = U64.read(reader)
        if not 1 <= length <= 64:
            raise Bad("a label's length")
        try:
            text = reader.take(length).decode()
        except UnicodeDecodeError as error:
            raise Bad("a label's text") from error
        if text.strip() != text or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
            raise Bad("a label's characters")
        return text


class Units:
    """An amount in the form that needs no scale."""

    def write(self, value):
        return U64.write(value["units"])

    def read(self, reader):
        return {"units": str(Int(8, 10**18).read(reader))}


class Option:
    def __init__(self, inner):
        self.inner = inner

    def write(self, value):
        return b"\0" if value is None else b"\1" + self.inner.write(value)

    def read(self, reader):
        return self.inner.read(reader) if BOOL.read(reader) else None


class List:
    def __init__(self, inner, least=0, most=None):
        self.inner, self.least, self.most = inner, least, most

    def write(self, values):
        return len(values).to_bytes(8, "little") + b"".join(self.inner.write(v) for v in values)

    def read(self, reader):
        count = U64.read(reader)
        if count < self.least or (self.most is not None and count > self.most):
            raise Bad("a list's length")
        if count > len(reader.data):
            raise Bad("a list longer than the bytes")
        return [self.inner.read(reader) for _ in range(count)]


class Struct:
    def __init__(self, **fields):
        self.fields = fields

    def write(self, value):
        known = set(self.fields) | {"account", "asset", "kind"}
        assert set(value) <= known, f"unknown fields {set(value) - known}"
        return b"".join(t.write(value.get(name)) for name, t in self.fields.items())

    def read(self, reader):
        found = {name: t.read(reader) for name, t in self.fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Default:
    """A field that JSON leaves out when it has its usual value."""

    def __init__(self, inner, usual):
        self.inner, self.usual = inner, usual

    def write(self, value):
        return self.inner.write(self.usual if value is None else value)

    def read(self, reader):
        value = self.inner.read(reader)
        return None if value == self.usual else value


class Names:
    """A choice without fields."""

    def __init__(self, *names):
        self.names = names

    def write(self, name):
        return U32.write(self.names.index(name))

    def read(self, reader):
        return self.names[number(reader, len(self.names))]


class Choice:
    """A choice written as a name, or as an object whose one key is the name."""

    def __init__(self, **alternatives):
        self.alternatives = list(alternatives.items())

    def write(self, value):
        name, inner = (value, None) if isinstance(value, str) else next(iter(value.items()))
        index = [n for n, _ in self.alternatives].index(name)
        kind = self.alternatives[index][1]
        return U32.write(index) + (kind.write(inner) if kind else b"")

    def read(self, reader):
        name, kind = self.alternatives[number(reader, len(self.alternatives))]
        return {name: kind.read(reader)} if kind else name


def number(reader, count):
    index = U32.read(reader)
    if index >= count:
        raise Bad(f"no alternative has number {index}")
    return index


class Payee:
    NAMES = ("creator", "host", "origin", "network")

    def write(self, text):
        if text in self.NAMES:
            return U32.write(1 + self.NAMES.index(text))
        return U32.write(0) + ACCOUNT.write(text)

    def read(self, reader):
        index = number(reader, 5)
        return self.NAMES[index - 1] if index else ACCOUNT.read(reader)


class Mode:
    NAMES = ("instant", "escrow", "t+", "window", "hold")

    def write(self, text):
        if text.startswith("t+"):
            return U32.write(2) + U16.write(text[2:])
        return U32.write(self.NAMES.index(text))

    def read(self, reader):
        index = number(reader, 5)
        return f"t+{U16.read(reader)}" if index == 2 else self.NAMES[index]


class Policy:
    LAYOUT = None

    def write(self, value):
        return self.LAYOUT.write(value)

    def read(self, reader):
        policy = self.LAYOUT.read(reader)
        keys = [k["key"] for k in policy["keys"]]
        weights = [k["weight"] for k in policy["keys"]]
        if keys != sorted(set(keys)) or 0 in weights or not 1 <= policy["threshold"] <= sum(weights):
            raise Bad("a policy")
        return policy


class AssetCode:
    def write(self, text):
        return text.encode().ljust(8, b"\0")

    def read(self, reader):
        data = reader.take(8)
        code = data.rstrip(b"\0")
        if len(code) < 2 or any(c not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" for c in code):
            raise Bad("an asset code")
        return code.decode()


class When:
    EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

    def write(self, text):
        since = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - self.EPOCH
        return U64.write(since // datetime.timedelta(milliseconds=1))

    def read(self, reader):
        at = self.EPOCH + datetime.timedelta(milliseconds=U64.read(reader))
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


class Action:
    def write(self, value):
        kinds = list(ACTIONS)
        return U32.write(kinds.index(value["kind"])) + ACTIONS[value["kind"]].write(value)

    def read(self, reader):
        kind = list(ACTIONS)[number(reader, len(ACTIONS))]
        return {"kind": kind, **ACTIONS[kind].read(reader)}


class Payload:
    def write(self, value):
        if value["kind"] == "batch":
            return U32.write(1) + List(Action()).write(value["actions"])
        return U32.write(0) + Action().write(value)

    def read(self, reader):
        if number(reader, 2):
            return {"kind": "batch", "actions": List(Action(), 1, 128).read(reader)}
        return Action().read(reader)


U8, U16, U32, U64 = Int(1), Int(2), Int(4), Int(8)
BOOL, LABEL, UNITS, ASSET = Bool(), Label(), Units(), AssetCode()
PPM = Int(4, 10**6)
ACCOUNT = Fixed(32, account_bytes, account_text)
HASH, KEY = Fixed(32), Fixed(32)
Policy.LAYOUT = Struct(threshold=U32, keys=List(Struct(key=KEY, weight=U16), 1, 16))
ORDER = Struct(platform=ACCOUNT, orderId=LABEL)
ITEM = Struct(host=ACCOUNT, item=LABEL, version=U32)
LEG = Struct(
    payee=Payee(),
    share=Choice(ppm=PPM, fixed=UNITS),
    refund=Choice(proportional=None, nonRefundable=None, borneBy=ACCOUNT),
)
PRICE = Choice(fixed=UNITS, open=Struct(min=UNITS, max=UNITS))
TAX = Struct(ratePpm=PPM, inclusive=BOOL, account=ACCOUNT)
TERMS = Struct(durationMs=Option(U64), units=Option(U64), scope=LABEL)
FEE_BEARER = Struct(payerPpm=PPM, payeePpm=PPM, platformPpm=PPM)
KINDS = Names("user", "creator", "platform", "tax", "networkFee", "suspense", "gateway")
STATUSES = Names("active", "debitFrozen", "frozen", "closed")

COUPON = Struct(platform=ACCOUNT, serial=LABEL)
SPONSOR = Struct(account=ACCOUNT, sharePpm=PPM)
COUPON_VALUE = Choice(fixed=UNITS, rate=Struct(ratePpm=PPM, cap=UNITS))
COUPON_SCOPE = Choice(any=None, host=ACCOUNT, creator=ACCOUNT, item=Struct(host=ACCOUNT, item=LABEL))
QUOTE = Struct(
    maker=ACCOUNT, quoteId=LABEL, taker=Option(ACCOUNT), givesAsset=ASSET, gives=UNITS, takesAsset=ASSET, takes=UNITS,
    spread=UNITS, spreadTo=ACCOUNT, expires=When(),
)
MAX_SIGNATURES = 128
SIGNATURES = List(Struct(key=KEY, signature=Fixed(64)), 1, MAX_SIGNATURES)
PARAMETERS = Names(
    "dayMs", "escrowMs", "holdMs", "disputeMs", "resolveMs", "windowMs", "maxDuePerBlock",
    "fee.ratePpm", "fee.min", "fee.cap",
    *(f"fee.tiers[{i}].{part}" for i in range(3) for part in ("volume", "ratePpm")),
    "feePeriodMs", "debitCap", "gatewayDailyCap",
    *(f"limits[{i}].{part}" for i in range(3) for part in ("perTransaction", "daily", "velocity", "yearly")),
    "coolingMs", "coolingAmount", "refundAlarmPpm", "archiveMs",
)

ACTIONS = {
    "openAccount": Struct(accountKind=KINDS, policy=Policy(), salt=Fixed(16)),
    "setStatus": Struct(account=ACCOUNT, status=STATUSES, reason=LABEL),
    "deposit": Struct(channel=LABEL, channelRef=LABEL, to=ACCOUNT, asset=ASSET, amount=UNITS),
    "withdraw": Struct(withdrawalId=LABEL, gateway=ACCOUNT, asset=ASSET, amount=UNITS, destination=HASH),
    "withdrawResult": Struct(owner=ACCOUNT, withdrawalId=LABEL, ok=BOOL, payoutRef=LABEL),
    "transfer": Struct(to=ACCOUNT, asset=ASSET, amount=UNITS, memo=HASH),
    "registerPlan": Struct(plan=LABEL, version=U32, legs=List(LEG)),
    "registerItem": Struct(
        item=LABEL, version=U32, asset=ASSET, price=PRICE, discountPpm=Default(PPM, 0), tax=Option(TAX), plan=LABEL, planVersion=U32,
        creator=ACCOUNT, terms=TERMS,
    ),
    "pay": Struct(
        origin=ACCOUNT, orderId=LABEL, item=ITEM, price=Option(UNITS), coupon=Option(COUPON), mode=Mode(), feeBearer=FEE_BEARER,
        expectedTotal=UNITS,
    ),
    "confirm": Struct(order=ORDER),
    "refund": Struct(order=ORDER, refundId=LABEL, amount=UNITS, reason=LABEL),
    "lockCollateral": Struct(asset=ASSET, amount=UNITS),
    "closeWindow": Struct(asset=ASSET, window=U64),
    "settleWindow": Struct(asset=ASSET, window=U64),
    "setKeys": Struct(policy=Policy()),
    "setTier": Struct(account=ACCOUNT, tier=U8, attestation=HASH),
    "hold": Struct(
        origin=ACCOUNT, orderId=LABEL, item=ITEM, price=Option(UNITS), coupon=Option(COUPON), feeBearer=FEE_BEARER,
        expectedTotal=UNITS,
    ),
    "capture": Struct(order=ORDER, amount=UNITS),
    "void": Struct(order=ORDER, reason=LABEL),
    "openDispute": Struct(order=ORDER, reason=LABEL, evidence=HASH),
    "resolve": Struct(order=ORDER, refundPpm=PPM, reason=LABEL),
    "createCampaign": Struct(
        campaign=LABEL, asset=ASSET, sponsors=List(SPONSOR), budget=UNITS, value=COUPON_VALUE, minPrice=UNITS,
        scope=COUPON_SCOPE, perUser=U32, starts=When(), ends=When(),
    ),
    "issueCoupon": Struct(campaign=LABEL, serial=LABEL, holder=Option(ACCOUNT)),
    "expireCampaign": Struct(campaign=LABEL),
    "createMandate": Struct(
        mandate=LABEL, payee=ACCOUNT, host=ACCOUNT, item=LABEL, asset=ASSET, maxPerCharge=UNITS, maxPerMonth=UNITS,
        intervalMs=U64, starts=When(), ends=When(),
    ),
    "charge": Struct(
        payer=ACCOUNT, mandate=LABEL, period=U64, orderId=LABEL, item=ITEM, price=Option(UNITS), feeBearer=FEE_BEARER,
        expectedTotal=UNITS,
    ),
    "cancelMandate": Struct(payer=ACCOUNT, mandate=LABEL),
    "consume": Struct(order=ORDER, **{"from": U64}, units=U64),
    "htlcLock": Struct(htlcId=LABEL, to=ACCOUNT, asset=ASSET, amount=UNITS, hash=HASH, deadline=When()),
    "htlcClaim": Struct(owner=ACCOUNT, htlcId=LABEL, preimage=HASH),
    "htlcRefund": Struct(owner=ACCOUNT, htlcId=LABEL),
    "fxConvert": Struct(quote=QUOTE, signatures=SIGNATURES),
    "anchorReport": Struct(period=LABEL, channel=LABEL, root=HASH),
    "propose": Struct(proposal=LABEL, parameter=PARAMETERS, value=Int(8, text=True), fromHeight=U64),
    "approve": Struct(proposer=ACCOUNT, proposal=LABEL),
    "unlockCollateral": Struct(asset=ASSET, amount=UNITS),
    "fundContribute": Struct(asset=ASSET, amount=UNITS),
    "fundRelease": Struct(asset=ASSET, amount=UNITS),
    "archiveOrders": Struct(orders=List(LABEL)),
}

BODY = Struct(sender=ACCOUNT, validUntil=When(), salt=Int(8, text=True), action=Payload())


def tagged(tag):
    return bytes([len(tag)]) + tag.encode()


def signing_bytes(chain, body):
    return tagged("vostro/tx/1") + chain + body


def quote_bytes(chain, quote):
    return tagged("vostro/fxquote/1") + chain + QUOTE.write(quote)


def quoted(body):
    """The exchanges of a body, each with a quote and its signatures."""
    actions = body["action"].get("actions", [body["action"]])
    return [a for a in actions if a["kind"] == "fxConvert"]


def in_order(signatures):
    keys = [s["key"] for s in signatures]
    return keys == sorted(set(keys))


def account_of(policy, salt):
    return hashlib.sha256(tagged("vostro/account/1") + salt + policy).digest()


def decode(data):
    """The body's JSON, its bytes and the signatures of a transaction."""
    if len(data) > MAX_TRANSACTION:
        raise Bad("too long")
    reader = Reader(data)
    if reader.take(1) != b"\1":
        raise Bad("the body's version")
    body = BODY.read(reader)
    end = reader.at
    signatures = SIGNATURES.read(reader)
    if reader.at != len(data):
        raise Bad("bytes follow")
    if not in_order(signatures) or not all(in_order(a["signatures"]) for a in quoted(body)):
        raise Bad("the order of signatures")
    if len(signatures) + sum(len(a["signatures"]) for a in quoted(body)) > MAX_SIGNATURES:
        raise Bad("the number of signatures")
    if b"\1" + BODY.write(body) + SIGNATURES.write(signatures) != data:
        raise Bad("not canonical")
    return body, data[:end], signatures


def verifies(chain, data):
    _, body, signatures = decode(data)
    def all_verify(message, signatures):
        return all(verify(bytes.fromhex(s["key"]), message, bytes.fromhex(s["signature"])) for s in signatures)

    json_body = BODY.read(Reader(body[1:]))
    return all_verify(signing_bytes(chain, body), signatures) and all(
        all_verify(quote_bytes(chain, a["quote"]), a["signatures"]) for a in quoted(json_body)
    )


# --- the checks --------------------------------------------------------------------------------------------------------


def check(condition, what):
    if not condition:
        print(f"signing vectors: {what} differs", file=sys.stderr)
        sys.exit(1)


def fails(function, *arguments):
    try:
        function(*arguments)
    except Bad:
        return True
    return False


def self_check():
    """RFC 8032 §7.1, test 2, and BIP-350's checksum constant on our own prefix."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    check(public_key(seed).hex() == key, "RFC 8032 key")
    check(sign(seed, b"\x72").hex() == signature, "RFC 8032 signature")
    check(verify(bytes.fromhex(key), b"\x72", bytes.fromhex(signature)), "RFC 8032 verification")
    check(not verify(bytes.fromhex(key), b"\x73", bytes.fromhex(signature)), "RFC 8032 refusal")
    check(account_bytes(account_text(bytes(range(32)))) == bytes(range(32)), "bech32m round trip")


def main():
    default = pathlib.Path(__file__).parent / "signing-vectors.json"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    file = json.loads(path.read_text(encoding="utf-8"))
    chain = bytes.fromhex(file["genesisHash"])
    self_check()
    for v in file["addresses"]:
        policy = Policy().write(v["policy"])
        account = account_of(policy, bytes.fromhex(v["salt"]))
        check(policy.hex() == v["encodedPolicy"], f"address {v['name']}: policy")
        check(account.hex() == v["accountHex"], f"address {v['name']}: account")
        check(account_text(account) == v["account"], f"address {v['name']}: text")
        check(account_bytes(v["account"].upper()) == account, f"address {v['name']}: upper case")
    for v in file["badAddresses"]:
        check(fails(account_bytes, v["text"]), f"bad address: {v['reason']}")
    for v in file["quotes"]:
        name, message = f"quote {v['quote']['quoteId']}", quote_bytes(chain, v["quote"])
        check(QUOTE.write(v["quote"]).hex() == v["quoteHex"], f"{name}: bytes")
        check(message.hex() == v["signingBytesHex"], f"{name}: signing bytes")
        made = sorted((public_key(s).hex(), sign(s, message).hex()) for s in map(bytes.fromhex, v["seeds"]))
        check(made == [(s["key"], s["signature"]) for s in v["signatures"]], f"{name}: signatures")
    for v in file["transactions"]:
        name, data = v["name"], base64.b64decode(v["encoded"], validate=True)
        body = b"\1" + BODY.write(v["body"])
        message = signing_bytes(chain, body)
        check(body.hex() == v["bodyHex"], f"{name}: body")
        check(message.hex() == v["signingBytesHex"], f"{name}: signing bytes")
        check(hashlib.sha256(message).hexdigest() == v["id"], f"{name}: id")
        made = sorted((public_key(s).hex(), sign(s, message).hex()) for s in map(bytes.fromhex, v["seeds"]))
        given = [(s["key"], s["signature"]) for s in v["signatures"]]
        check(not made or made == given, f"{name}: signatures")
        check(body + SIGNATURES.write(v["signatures"]) == data, f"{name}: transaction")
        check(decode(data)[1] == body and verifies(chain, data), f"{name}: verification")
    for v in file["refused"]:
        data = base64.b64decode(v["encoded"], validate=True)
        if v["fails"] == "decode":
            check(fails(decode, data), f"refused, {v['reason']}: it decodes, which")
        else:
            check(not verifies(chain, data), f"refused, {v['reason']}: it verifies, which")
    counts = [len(file[k]) for k in ("addresses", "badAddresses", "quotes", "transactions", "refused")]
    print("signing vectors hold: {} addresses, {} bad ones, {} quotes, {} transactions, {} refused".format(*counts))


if __name__ == "__main__":
    main()
