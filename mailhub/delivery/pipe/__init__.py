"""Mail for programs: pipe(8).

Comes from: queue.attempt (jobs). Gives to: the program's standard input. May import: delivery.transport, store.api, message,
model, config.

    transport   a job in runs of some recipients; a Result for each
    arguments   the program's arguments and environment
    copy        the message as the program gets it
    process     a program in a session of its own, without a shell
    outcome     an exit status as a reply (sysexits.h)

Invariants
- A program that has ended well has the mail. Where we are stopped between its end and the record of it, it runs again: a
  window for doubles that no queue can close. The log names each run as it begins.
- Nothing from outside becomes an option, a program, or a line of a shell.
"""

from .arguments import Arguments as Arguments
from .transport import PipeTransport as PipeTransport
from .transport import Runner as Runner
