"""What is odd about texts that two people sign: of all of them at once, the folder read once."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import activation
from tests.line import running


async def test_the_folder_is_read_once_for_however_many_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    read = activation.texts_of

    def counted(folder: Path) -> Mapping[str, str | None]:
        reads.append(folder)
        return read(folder)

    async with running(tmp_path) as line:
        monkeypatch.setattr(activation, "texts_of", counted)
        signed = list(line.gateway.agreements.values())
        assert len(signed) > 1
        odd = activation.remarks(line.gateway, *signed)
        assert set(odd) == {each.name for each in signed}
        assert reads == [line.gateway.settings.gateway.agreements_dir]
        twice = replace(signed[0], name="another")
        assert "twice" in {each.rule for each in activation.remarks(line.gateway, twice)["another"]}
