"""A disk that was filled takes nothing more, keeps what it has, and takes more once it is given room again."""

import errno
from pathlib import Path

import pytest
from tests.chaos.disk import small_disk


def test_a_full_disk_refuses_until_it_has_room_again(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    with small_disk(place, wanted=True) as disk:
        if disk.missing:
            pytest.skip(disk.missing)
        kept = place / "kept"
        kept.write_bytes(b"x" * 10_000)

        disk.fill()
        with pytest.raises(OSError, match="No space") as refusal:
            (place / "more").write_bytes(b"x" * 10_000)
        assert refusal.value.errno == errno.ENOSPC
        assert kept.read_bytes() == b"x" * 10_000

        disk.free()
        (place / "more").write_bytes(b"x" * 10_000)

    assert not place.is_mount()
