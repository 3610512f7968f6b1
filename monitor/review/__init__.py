"""Looking at decisions before and after: replays, rehearsals, figures, exports."""
