"""POP3's words, without I/O (RFC 1939, RFC 2449): commands from lines, dot-stuffed text.

Comes from: protocols.pop3. May import: model.
"""

from .command import BadCommand as BadCommand
from .command import Command as Command
from .command import number as number
from .command import parse as parse
from .text import Stuffer as Stuffer
from .text import Top as Top
