"""Where an account's mail lies, for who copies it in or out."""

import os
from pathlib import Path

from mailhub.config.schema import Config
from mailhub.model.address import key
from mailhub.store.files import Files
from mailhub.store.sqlite.homes import Homes
from mailhub.store.sqlite.incoming import Incoming as Incoming


def home(config: Config, account: str) -> Path:
    """Its Maildir."""
    return Path(Homes(Files(), f"{config.data}/mail", config.store.mail_location).path(key(account)))


def incoming(config: Config, account: str) -> Incoming:
    """To be closed. Where root copies, the files belong to whom the data does."""
    data = Path(config.data)
    found = data.stat()
    owner = (found.st_uid, found.st_gid) if os.geteuid() == 0 and found.st_uid else None
    return Incoming(data, config.store.mail_location, account, owner)
