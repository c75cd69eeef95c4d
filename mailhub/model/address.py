"""Mail addresses as plain `str`: `local@domain`, and "" for the null reverse-path (RFC 5321 section 4.5.5)."""


def split(address: str) -> tuple[str, str]:
    """Divide an address at its last "@": `(local, domain)`, the domain in lower case; "" where there is none.

    The last "@" counts because a quoted local part may hold one (`"a@b"@example.org`).
    """
    local, at, domain = address.rpartition("@")
    return (local, domain.lower()) if at else (address, "")


def domain_of(address: str) -> str:
    """The domain in lower case, or ""."""
    return split(address)[1]


def key(address: str) -> str:
    """The form under which directories file an address: both sides in lower case, quotes of a plain local part gone."""
    local, domain = split(address)
    local = unquote(local).lower()
    return f"{local}@{domain}" if domain else local


def unquote(local: str) -> str:
    """`"a b"` becomes `a b` (RFC 5321 section 4.1.2: the quotes carry no meaning)."""
    if len(local) >= 2 and local[0] == local[-1] == '"':
        out, escaped = [], False
        for char in local[1:-1]:
            if char == "\\" and not escaped:
                escaped = True
                continue
            out.append(char)
            escaped = False
        return "".join(out)
    return local


def without_detail(local: str, delimiter: str) -> tuple[str, str | None]:
    """`user+tag` becomes `("user", "tag")`; `(local, None)` where there is no tag (RFC 5233)."""
    if delimiter:
        user, found, detail = local.partition(delimiter)
        if found and user:
            return user, detail
    return local, None


def seven_bit(address: str) -> str:
    """An address of other scripts in ASCII: utf-8-addr-xtext (RFC 6533 section 3)."""
    return "".join(char if "!" <= char <= "~" and char not in "+=\\" else f"\\x{{{ord(char):02X}}}" for char in address)
