"""Where the templates and agreements that come with the program are: in an installed wheel, or beside a checkout.

They are templates. An installation reads only its own folders (DESIGN section 4); the demo and `try` run on these.
"""

from importlib.resources import files
from pathlib import Path


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
