"""mailhub: a whole mail system in one asyncio process.

The rooms stand in the order a message walks; docs/ARCHITECTURE.md draws them.
"""

__version__ = "0.1.0"
