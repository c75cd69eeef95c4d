"""Where each key of a TOML document stands, which `tomllib` does not say: path -> line.

Comes from: `load`, with text that tomllib has already read without complaint. The scanner therefore judges nothing; it
follows the grammar of TOML 1.0 (keys, tables, arrays, the four kinds of string) and counts line ends.
"""

Path = tuple[str | int, ...]

_ENDS_SCALAR = ",]}#\n"
_ENDS_BARE_KEY = ".=] \t"


def locate(text: str) -> dict[Path, int]:
    """The line (from 1) of every table, key and array element. Elements of arrays and `[[tables]]` count from 0."""
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._lengths: dict[Path, int] = {}  # elements seen of each array of tables

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._blank():
            if self._next("[["):
                table = self._element(self._key())
                self._skip("]]")
            elif self._next("["):
                table = self._current(self._key())
                self._note(table)
                self._skip("]")
            else:
                self._pair(table)
        return self._lines

    def _note(self, path: Path) -> None:
        self._lines.setdefault(path, self._line)

    def _element(self, key: tuple[str, ...]) -> Path:
        """A `[[key]]`: the path of the new element."""
        path = self._current(key[:-1]) + key[-1:]
        self._note(path)
        index = self._lengths.get(path, 0)
        self._lengths[path] = index + 1
        self._note((*path, index))
        return (*path, index)

    def _current(self, key: tuple[str, ...]) -> Path:
        """The path behind a header: each array of tables on the way means its last element."""
        path: Path = ()
        for name in key:
            path = (*path, name)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        """keyval = key keyval-sep val"""
        path = table
        for name in self._key():
            path = (*path, name)
            self._note(path)
        self._skip("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._space()
        if self._next("["):
            self._array(path)
        elif self._next("{"):
            self._inline_table(path)
        elif self._text[self._at] in "\"'":
            self._string()
        else:
            while self._at < len(self._text) and self._text[self._at] not in _ENDS_SCALAR:
                self._at += 1

    def _array(self, path: Path) -> None:
        index = 0
        while self._blank() and not self._next("]"):
            self._note((*path, index))
            self._value((*path, index))
            self._blank()
            self._next(",")
            index += 1

    def _inline_table(self, path: Path) -> None:
        while self._blank() and not self._next("}"):
            self._pair(path)
            self._blank()
            self._next(",")

    def _key(self) -> tuple[str, ...]:
        """key = simple-key *( dot-sep simple-key )"""
        names = []
        while True:
            self._space()
            if self._text[self._at] in "\"'":
                names.append(self._string())
            else:
                start = self._at
                while self._text[self._at] not in _ENDS_BARE_KEY:
                    self._at += 1
                names.append(self._text[start : self._at])
            self._space()
            if not self._next("."):
                return tuple(names)

    def _string(self) -> str:
        """Any of the four strings; what it holds, escapes left as written."""
        quote = self._text[self._at]
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(mark)
        start = self._at
        while not self._text.startswith(mark, self._at):
            if self._text[self._at] == "\\" and quote == '"':
                self._at += 1
            self._line += self._text[self._at] == "\n"
            self._at += 1
        end = self._at
        self._at += len(mark)
        while len(mark) == 3 and self._text.startswith(quote, self._at):  # up to two quotes may end a multi-line string
            self._at += 1
        return self._text[start:end]

    def _blank(self) -> bool:
        """Skip white space, line ends and comments; False at the end of the text."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif char in " \t\n":
                self._line += char == "\n"
                self._at += 1
            else:
                return True
        return False

    def _space(self) -> None:
        while self._text[self._at] in " \t":
            self._at += 1

    def _next(self, mark: str) -> bool:
        """Take `mark` where it comes next."""
        found = self._text.startswith(mark, self._at)
        if found:
            self._at += len(mark)
        return found

    def _skip(self, mark: str) -> None:
        self._space()
        self._at += len(mark)
