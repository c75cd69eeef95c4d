"""Names of charsets to Python's codecs, and never a codec that a stranger named.

A codec name goes to `codecs.lookup` only where it is in a fixed set: a miss there costs a search of the file system and is
remembered for ever, and some codecs (punycode, idna) are slow beyond measure on hostile input.
"""

from encodings import normalize_encoding
from encodings.aliases import aliases

# no charsets, or not for strangers
_FOREIGN = """
    base64_codec bz2_codec hex_codec quopri_codec rot_13 uu_codec zlib_codec idna punycode undefined unicode_escape
    raw_unicode_escape mbcs oem
"""
_UNALIASED = """
    utf_8_sig koi8_u koi8_t cp720 cp737 cp856 cp874 cp875 cp1006 iso8859_1 mac_arabic mac_croatian mac_farsi mac_romanian
"""
KNOWN = (frozenset(aliases.values()) | frozenset(_UNALIASED.split())) - frozenset(_FOREIGN.split())
_WIDER = {  # what senders mean: the name of a subset, or one that is no IANA name
    "ascii": "utf_8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "iso8859_1": "cp1252",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "shift_jis": "cp932",
    "x_sjis": "cp932",
    "x_mac_roman": "mac_roman",
    "iso_8859_8_i": "iso8859_8",
    "unicode_1_1_utf_7": "utf_7",
}


def known(charset: str) -> str | None:
    """The Python codec for a charset's name, if there is one."""
    name = normalize_encoding(charset[:80].encode("ascii", "ignore").decode()).lower()
    name = _WIDER.get(name, name)
    name = aliases.get(name, name)
    name = _WIDER.get(name, name)
    return name if name in KNOWN else None
