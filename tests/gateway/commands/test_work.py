"""`throughgate work`: an extra worker needs a store that several processes write to, and says so where there is none."""

from pathlib import Path

from typer.testing import CliRunner

from gateway.__main__ import app


def test_an_embedded_installation_has_no_room_for_a_worker(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["init", str(tmp_path / "own")]).exit_code == 0
    done = run.invoke(app, ["work", "--config", str(tmp_path / "own" / "throughgate.toml")])
    assert done.exit_code == 2
    assert "one writing process" in done.output
