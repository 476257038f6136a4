"""Messages as a correct device or cloud may send them, and JSON as anybody may."""

import re
from datetime import UTC

from hypothesis import strategies as st

from strop_wire import fields, messages, reports

names = st.from_regex(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"), fullmatch=True)
shares = st.floats(0, 1)
counts = st.integers(0, 2**53)
whole = st.integers(0, 2**31 - 1)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
ids = st.uuids().map(str)
times = st.datetimes(timezones=st.just(UTC))
characters = st.sampled_from('aZ0 _-./\\"\n\x7f\xe9\u8336\ufffe\U0001f984')  # one of each kind that could matter
labels = st.text("aZ0 -/\\\xe4\u8336", min_size=1, max_size=12).filter(str.strip).map(fields.label)


def texts(limit: int) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=1, max_size=min(limit, 12))


def ranked(found: list[messages.Prediction]) -> tuple[messages.Prediction, ...]:
    return tuple(sorted(found, key=lambda prediction: -prediction.confidence))


captures = st.builds(
    messages.Capture,
    id=ids,
    captured_at=times,
    model=texts(64),
    predictions=st.lists(
        st.builds(messages.Prediction, labels, shares), min_size=1, max_size=5, unique_by=lambda each: each.label
    ).map(ranked),
    reason=st.sampled_from(messages.REASONS),
    audit=st.booleans(),
    audit_probability=shares,
    probability=shares,
    policy=whole,
    sha256=hashes,
    size=st.integers(1, messages.MAX_IMAGE_BYTES),
    content_type=st.sampled_from(messages.IMAGE_TYPES),
    phash=st.none() | st.text("0123456789abcdef", min_size=16, max_size=16),
    seen=st.integers(1, 2**31 - 1),
)
uploads = st.builds(
    messages.CaptureGrant, ids, st.just("upload"), texts(200), st.dictionaries(texts(20), texts(20), max_size=3)
)
answers = st.builds(messages.CaptureGrant, ids, st.sampled_from(["drop", "stored"]), reason=st.none() | texts(50))
grants = st.builds(
    messages.Grant,
    captures=st.lists(uploads | answers, max_size=4).map(tuple),
    files=st.lists(st.builds(messages.FileGrant, hashes, st.integers(0, 2**40), texts(200)), max_size=3).map(tuple),
)
policies = st.tuples(whole, st.sampled_from(["margin", "confidence"]), shares, shares, shares, shares).map(
    lambda p: messages.Policy(p[0], p[1], min(p[2:4]), max(p[2:4]), p[4], p[5])
)
files = st.builds(messages.ModelFile, hashes, st.integers(1, 2**31 - 1))
desired = st.builds(
    messages.Desired,
    deployment=ids,
    model=texts(64),
    files=st.dictionaries(st.from_regex(fields.FILE_NAME_PATTERN, fullmatch=True), files, max_size=15).flatmap(
        lambda others: files.map(lambda manifest: {**others, messages.MANIFEST: manifest})
    ),
    policy=policies,
)
fetches = st.builds(messages.Fetch, st.lists(hashes, min_size=1, max_size=16).map(tuple))
usages = st.builds(
    reports.Usage,
    model=texts(64),
    policy=whole,
    predictions=st.dictionaries(labels, st.lists(counts, min_size=reports.BINS, max_size=reports.BINS), max_size=3),
    rejected=counts,
    failed=counts,
    latency=st.lists(counts, min_size=len(reports.LATENCY_MS) + 1, max_size=len(reports.LATENCY_MS) + 1),
    kept=st.dictionaries(st.sampled_from(reports.KEPT), counts),
)
states = st.builds(
    reports.State,
    boot=ids,
    sequence=counts,
    at=times,
    model=st.none() | texts(64),
    agent=texts(64),
    policy=whole,
    answer=st.none() | st.builds(reports.Outcome, ids, st.sampled_from(reports.OUTCOMES), texts(50)),
    spool_items=counts,
    spool_bytes=counts,
    classified=counts,
    dropped=st.dictionaries(texts(64), counts, max_size=3),
    usage=st.lists(usages, max_size=3).map(tuple),
    errors=st.lists(texts(100), max_size=3).map(tuple),
    lost=st.lists(st.builds(reports.Lost, ids, texts(64)), max_size=3).map(tuple),
)
predictions = st.builds(
    messages.Answer,
    id=ids,
    request=st.none() | texts(20),
    at=times,
    device=texts(63),
    model=st.none() | texts(64),
    label=st.just("") | labels,
    confidence=shares,
    message=texts(100),
)
all_messages = st.one_of(captures, grants, desired, fetches, states, predictions)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["installed", "drop", "low"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

extras = st.dictionaries(texts(9).map("new_{}".format), texts(5) | counts | st.lists(shares, max_size=2), max_size=3)
