"""The frame reader under every cut, junk, missing endings and embedded marks."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mllp.frames import Frames, FrameTooLarge, framed

ONE = b"MSH|^~\\&|A|B\rPID|1\r"
TWO = b"MSH|^~\\&|C|D\rPV1|1\r"


def read_all(chunks: list[bytes], *, limit: int = 10_000) -> tuple[list[bytes], Frames]:
    frames = Frames(limit)
    found = []
    for chunk in chunks:
        frames.feed(chunk)
        while (frame := frames.next()) is not None:
            found.append(frame)
    return found, frames


def test_cut_at_every_byte() -> None:
    stream = b"junk" + framed(ONE) + b"\r\n" + framed(TWO) + framed(ONE)
    for cut in range(len(stream) + 1):
        found, frames = read_all([stream[:cut], stream[cut:]])
        assert found == [ONE, TWO, ONE], cut
        assert frames.junk_bytes == 4
        assert frames.buffered == 0


def test_one_byte_at_a_time() -> None:
    stream = framed(ONE) + framed(TWO)
    assert read_all([bytes([byte]) for byte in stream])[0] == [ONE, TWO]


@given(st.lists(st.binary(max_size=40).filter(lambda b: not set(b) & {0x0B, 0x1C}), max_size=8), st.data())
def test_any_split_gives_the_same_frames(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(framed(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert read_all(chunks)[0] == payloads


def test_a_missing_cr_before_the_next_frame_is_no_matter() -> None:
    stream = framed(ONE)[:-1] + framed(TWO)
    for cut in range(len(stream) + 1):
        assert read_all([stream[:cut], stream[cut:]])[0] == [ONE, TWO]


def test_a_missing_cr_at_the_end_waits_and_can_be_ended() -> None:
    found, frames = read_all([framed(ONE)[:-1]])
    assert found == []
    assert frames.waits_for_cr
    assert frames.end_without_cr() == ONE
    frames.feed(b"\r" + framed(TWO))
    assert frames.next() == TWO
    assert frames.junk_bytes == 0


def test_ending_without_cr_takes_nothing_else() -> None:
    frames = Frames(100)
    frames.feed(b"\x0bMSH|half")
    assert frames.next() is None
    assert frames.end_without_cr() is None
    assert frames.inside


def test_an_fs_inside_a_message_never_cuts_it_short() -> None:
    payload = ONE + b"OBX|\x1cmore|\x1c\x1cend\r"
    stream = framed(payload)
    for cut in range(len(stream) + 1):
        assert read_all([stream[:cut], stream[cut:]])[0] == [payload]


def test_a_vt_inside_a_message_belongs_to_it() -> None:
    payload = ONE + b"NTE|a\x0bb\r"
    assert read_all([framed(payload)])[0] == [payload]


def test_a_frame_that_begins_again_drops_the_unfinished_one() -> None:
    found, frames = read_all([b"\x0bMSH|half\r" + framed(TWO)])
    assert found == [TWO]
    assert frames.junk_bytes == len(b"MSH|half\r")


def test_junk_is_counted_and_not_kept() -> None:
    found, frames = read_all([b"x" * 5_000, b"\n\r", b"y" * 10])
    assert found == []
    assert frames.junk_bytes == 5_010
    assert frames.buffered == 0


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
def test_the_limit_is_exact_whatever_the_cuts(size: int) -> None:
    limit = 100
    for length, fits in ((99, True), (100, True), (101, False), (5_000, False)):
        stream = framed(b"m" * length)
        chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
        if fits:
            assert read_all(chunks, limit=limit)[0] == [b"m" * length]
        else:
            with pytest.raises(FrameTooLarge) as raised:
                read_all(chunks, limit=limit)
            assert raised.value.beginning == b"m" * limit


def test_an_endless_frame_is_stopped_while_it_comes() -> None:
    frames = Frames(1_000)
    frames.feed(b"\x0b")
    for _ in range(10):
        frames.feed(b"m" * 100)
        assert frames.next() is None
    frames.feed(b"m")
    with pytest.raises(FrameTooLarge):
        frames.next()


def test_each_byte_is_searched_once() -> None:
    """A large frame in small pieces costs its length, not its square."""
    frames = Frames(5_000_000)
    frames.feed(b"\x0b")
    for _ in range(4_000):
        frames.feed(b"m" * 1_000)
        assert frames.next() is None
        assert frames._searched == frames.buffered
    frames.feed(b"\x1c\r")
    assert frames.next() == b"m" * 4_000_000


def test_a_frame_of_nothing_but_ends_that_are_none_holds_nobody_up() -> None:
    """Five megabytes of <FS>, as quick as five of anything: a listener serves all its connections between two reads of one."""

    def seconds(byte: bytes) -> float:
        frames = Frames(5_300_000)
        frames.feed(b"\x0b")
        began = time.process_time()
        for _ in range(20):
            frames.feed(byte * 262_144)
            assert frames.next() is None
        return time.process_time() - began

    assert min(seconds(b"\x1c") for _ in range(3)) < 10 * max(seconds(b"m") for _ in range(3)) + 0.2
