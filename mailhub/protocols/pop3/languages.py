"""What the answers say in other languages than English (LANG, RFC 6856 section 3). Codes in brackets and numbers are the protocol's."""

import re

LANGUAGES = {"i-default": "Default", "en": "English", "zh": "中文"}  # tags, and what speakers call them
_NUMBER = re.compile(r"(?<![\w-])\d+")
_CODE = re.compile(r"\[[A-Z/-]+\] ")
_CHINESE = {
    "# messages (# octets)": "# 封邮件（# 字节）",
    "# octets": "# 字节",
    "APOP is not offered": "不提供 APOP",
    "Another session has this maildrop open": "另一个会话正在使用此邮箱",
    "Authentication cancelled": "登录已取消",
    "Begin TLS negotiation": "开始 TLS 协商",
    "Bye": "再见",
    "Capabilities": "功能列表",
    "Internal error, see the server's log": "内部错误，详见服务器日志",
    "Language is as it was": "语言未变",
    "Language is set": "语言已设定",
    "Languages": "语言列表",
    "Mechanisms": "登录方式",
    "Message # deleted": "邮件 # 已删除",
    "Message is deleted": "邮件已删除",
    "Message is gone: it was removed by another session": "邮件已被另一个会话删除",
    "NUL inside": "含有 NUL 字符",
    "No such language here": "没有这种语言",
    "No such message": "没有这封邮件",
    "Passwords are taken under TLS only": "只有在 TLS 下才能使用密码",
    "Send PASS": "请发送 PASS",
    "Server is going down": "服务器即将停止",
    "Some deleted messages were not removed": "有些已删除的邮件未能移除",
    "TLS is active already, or not offered here": "TLS 已启用，或此处不提供",
    "Temporary problem": "暂时故障",
    "Temporary problem, try again later": "暂时故障，请稍后再试",
    "Too busy, try again later": "服务器太忙，请稍后再试",
    "Too many errors": "错误过多",
    "Too many failed logins": "登录失败次数过多",
    "Top of message": "邮件开头",
    "USER first": "请先发送 USER",
    "UTF8 enabled": "已启用 UTF8",
    "Wait # seconds between logins": "两次登录须间隔 # 秒",
    "Wrong login or password": "用户名或密码错误",
    "line too long": "行过长",
    "not UTF-8": "不是 UTF-8",
    "not a number": "不是数字",
    "not in this state": "当前状态下不可用",
    "unknown command": "未知命令",
    "unknown mechanism": "未知的登录方式",
    "wrong number of arguments": "参数个数不对",
}  # fmt: skip
_TABLES = {"zh": _CHINESE}


def said(text: str, language: str) -> str:
    """An answer's text in that language; as it is where it has no other form."""
    table = _TABLES.get(language)
    if table is None:
        return text
    code = found[0] if (found := _CODE.match(text)) else ""
    numbers = iter(_NUMBER.findall(text))
    form = table.get(_NUMBER.sub("#", text.removeprefix(code)))
    return text if form is None else code + re.sub("#", lambda _: next(numbers), form)


def chosen(tag: str) -> str | None:
    """The language that we have for a tag, which may name a region or script of it (zh-Hans-CN); None where there is none."""
    tag = tag.lower()
    while tag:
        if tag in LANGUAGES:
            return tag
        tag = tag.rpartition("-")[0]
    return None
