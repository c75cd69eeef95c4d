"""The whole HTTP interface asked by schemathesis, as its own description says: nothing is answered with a 5xx, as an operator,
as an account and as nobody."""

import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD
from support.webmail import ANN
