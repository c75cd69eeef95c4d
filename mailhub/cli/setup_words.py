"""What `mailhub setup` asks and tells, in English and in Chinese."""

import os
from collections.abc import Mapping

from mailhub.config.production import Language

WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "domain": "Domain whose mail comes here, such as example.org",
        "hostname": "Name of this host in DNS",
        "account": "Address of the first account",
        "password": "Its password",
        "acme": "Certificates from Let's Encrypt? Needs port 80 from outside; you agree to its terms (letsencrypt.org/repository)",
        "go on": "Write {file}, keep mail in {data}, serve as user {user}?",
        "nothing": "nothing is written",
        "written": "Written: {file}.",
        "kept": "What was there is kept as {old}.",
        "made user": "The system has a new user, {user}.",
        "unit": "Written: {unit}. `systemctl enable --now mailhub` starts it, and at each boot.",
        "account made": "Account: {account}",
        "account there": "{account} is there already; its password stays.",
        "taken": "Ports that other programs hold: {ports}. Stop those (Debian: systemctl disable --now exim4 postfix dovecot), else the start fails.",
        "no root": "Ports below 1024 need root, or systemd's sockets, to be bound: see docs/operator.md.",
        "dns": "What has to stand in DNS (again by: {command} dns {domain}):",
        "next": "What comes next:",
        "check": "look at it",
        "start": "start it (at each boot: examples/systemd/mailhub.service, examples/sysv/mailhub)",
        "add": "more accounts",
        "doctor": "when DNS is done: how others see it",
        "browser": "mail in the browser: https://{hostname}/",
    },
    "zh": {
        "domain": "本机要接收哪个域名的邮件，例如 example.org",
        "hostname": "本机在 DNS 中的名称",
        "account": "第一个账户的地址",
        "password": "该账户的密码",
        "acme": "从 Let's Encrypt 取得证书吗？需要外界能访问 80 端口，并同意其条款（letsencrypt.org/repository）",
        "go on": "写入 {file}，邮件存放在 {data}，以用户 {user} 运行，可以吗？",
        "nothing": "什么也没有写",
        "written": "已写入：{file}。",
        "kept": "原有文件保留为 {old}。",
        "made user": "已新建系统用户 {user}。",
        "unit": "已写入：{unit}。用 systemctl enable --now mailhub 启动，并在每次开机时启动。",
        "account made": "账户：{account}",
        "account there": "{account} 已存在，密码不变。",
        "taken": "以下端口被其他程序占用：{ports}。请先停掉它们（Debian：systemctl disable --now exim4 postfix dovecot），否则无法启动。",
        "no root": "1024 以下的端口需要 root 或 systemd 的套接字来绑定：见 docs/operator.md。",
        "dns": "DNS 中需要的记录（可用 {command} dns {domain} 再次打印）：",
        "next": "接下来：",
        "check": "检查配置",
        "start": "启动（开机自启：examples/systemd/mailhub.service、examples/sysv/mailhub）",
        "add": "添加账户",
        "doctor": "DNS 设置好之后：看看外界如何看待本机",
        "browser": "浏览器收发邮件：https://{hostname}/",
    },
}  # fmt: skip


def language(chosen: str | None, environ: Mapping[str, str] = os.environ) -> Language:
    """`chosen`, or what the environment says (locale(7))."""
    name = chosen or next(filter(None, map(environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if name.lower().startswith("zh") else "en"
