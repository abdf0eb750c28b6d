"""Pillarbox: the SMTP submission service for every application, server and device."""

__version__ = "0.1.0"
