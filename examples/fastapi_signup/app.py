"""A sign-up service: a code goes out by mail in the background, and is tried again where the mail server says "later"."""

import asyncio
import os
import secrets
from email.message import EmailMessage

import aiosmtplib
from fastapi import BackgroundTasks, FastAPI, HTTPException

app = FastAPI()
codes: dict[str, str] = {}


async def send_code(address: str) -> None:
    """Three attempts."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "signup@service.example", address, "Your code"
    message.set_content(f"Your code is {codes[address]}.\n")
    for attempt in range(3):
        try:
            await aiosmtplib.send(message, hostname=os.environ["SMTP_HOST"], port=int(os.environ["SMTP_PORT"]))
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= 500 or attempt == 2:
                raise
            await asyncio.sleep(0)
        else:
            return


@app.post("/sign-up")
async def sign_up(address: str, background: BackgroundTasks) -> str:
    codes[address] = f"{secrets.randbelow(1_000_000):06}"
    background.add_task(send_code, address)
    return "A code is on its way."


@app.post("/confirm")
async def confirm(address: str, code: str) -> str:
    if codes.get(address) != code:
        raise HTTPException(403, "That is not the code.")
    return "Welcome."
