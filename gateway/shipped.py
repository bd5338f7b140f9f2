"""Where the templates and agreements that come with the program are: in an installed wheel, or beside a checkout.

They are templates. An installation reads only its own folders (DESIGN section 4); the demo and `try` run on these.
"""

import shutil
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

EXAMPLE_SUFFIX = ".example"


def templates() -> Path:
    """The folder of `embedded.toml` and `recipients/`."""
    package = Path(str(files("gateway")))
    installed = package / "shipped"
    return installed if installed.is_dir() else package.parent / "deploy"


def settings_template() -> Path:
    return templates() / "embedded.toml"


def recipients() -> Path:
    return templates() / "recipients"


def agreements() -> Path:
    """The folder of the shipped sharing agreements."""
    return Path(str(files("consent"))) / "agreements"


@cache
def in_use() -> frozenset[str]:
    """The shipped agreements that a shipped recipient takes: demo and `try` run on these. Any other asks for its recipient first."""
    files = [tomllib.loads(path.read_text("utf-8")) for path in recipients().glob("*.toml")]
    taken = {(file["class"], letter) for file in files for letter in file["letters"]}
    texts = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in agreements().glob("*.toml")}
    return frozenset(name for name, text in texts.items() if (text["recipient_class"], text["letter"]) in taken)


def verifier() -> Path:
    """The program that checks an export of the ledger without this one."""
    return templates() / "verify_ledger.py"


def copy_templates(folder: Path, *, active: bool = False, settings: Path | None = None) -> Path:
    """Copy the shipped settings (or `settings`), recipients and agreements into `folder`; returns its throughgate.toml.

    Recipients and agreements get the ending `.toml.example`, which is never read. `active` leaves it out: for the demo only.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = folder / "throughgate.toml"
    shutil.copyfile(settings or settings_template(), config)
    suffix = "" if active else EXAMPLE_SUFFIX
    for source, target in ((recipients(), folder / "recipients"), (agreements(), folder / "agreements")):
        target.mkdir(mode=0o700)
        for template in sorted(source.glob("*.toml")):
            if active and source == agreements() and template.stem not in in_use():
                continue
            shutil.copyfile(template, target / f"{template.name}{suffix}")
    return config
