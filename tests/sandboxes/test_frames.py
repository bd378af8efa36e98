"""Frames survive being cut into pieces, and nothing is taken before it is complete."""

from hypothesis import given
from hypothesis import strategies as st

from guerdon_docker.inside.frames import frame, packed, take, unpacked

FRAMES = st.lists(st.tuples(st.sampled_from([b"R", b"I", b"F"]), st.integers(0, 2**32 - 1), st.binary(max_size=300)))


@given(FRAMES, st.integers(1, 64))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[tuple[bytes, int, bytes]], size: int
) -> None:
    wire = b"".join(frame(*one) for one in frames)
    buffer, taken = bytearray(), []
    for start in range(0, len(wire), size):
        buffer += wire[start : start + size]
        while (one := take(buffer)) is not None:
            taken.append(one)
    assert taken == frames
    assert not buffer


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.binary())
def test_facts_and_bytes_come_out_as_they_went_in(facts: dict[str, object], rest: bytes) -> None:
    assert unpacked(packed(facts, rest)) == (facts, rest)
