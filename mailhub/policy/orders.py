"""What access(5) tables want done with a message that is taken."""

from msgspec import Struct, field


class Orders(Struct):
    """ "" where nothing was ordered. `discarded`: no further list is asked, and nothing is queued."""

    held: str = ""
    discarded: str = ""
    redirect: str = ""
    filter: str = ""
    copies: list[str] = field(default_factory=list)
    prepended: list[str] = field(default_factory=list)

    def merge(self, other: "Orders") -> None:
        """What was ordered for one recipient counts when that recipient is taken."""
        self.held = self.held or other.held
        self.discarded = self.discarded or other.discarded
        self.redirect = other.redirect or self.redirect
        self.filter = other.filter or self.filter
        self.copies += [copy for copy in other.copies if copy not in self.copies]
        self.prepended += [field for field in other.prepended if field not in self.prepended]
