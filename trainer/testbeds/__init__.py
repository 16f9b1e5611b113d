"""Test-beds, one file each: a new one is found by its file name and held to the promises of its kind by the tests."""
