"""SMTP on the wire (RFC 5321): paths, command lines, parameters, replies, the end of the data.

Comes from: protocols.smtp, delivery.relay. Gives to: nobody. May import: model.
Invariants: time linear in the input; every refusal is a `SyntaxRefused` that carries its reply.
"""

from .chunk import ChunkReader as ChunkReader
from .chunk import chunk_argument as chunk_argument
from .command import Command as Command
from .command import SyntaxRefused as SyntaxRefused
from .command import parse_command as parse_command
from .data import DataReader as DataReader
from .data import Fault as Fault
from .parameters import mail_parameters as mail_parameters
from .parameters import recipient_parameters as recipient_parameters
from .path import Path as Path
from .path import parse_path as parse_path
from .replies import greeting as greeting
from .replies import render as render
