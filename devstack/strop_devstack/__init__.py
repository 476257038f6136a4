"""Strop on one machine for development and tests: embedded servers, rendered images, a simulated fleet and the demo."""
