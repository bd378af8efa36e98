"""The strangers' own tests run where the strangers are installed: see test_a_stranger.py."""

collect_ignore = ["guerdon-rhyme", "broken-import", "clashing-name", "misspelt-hook"]
