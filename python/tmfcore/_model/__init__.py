"""Games, policies and schedules, and fingerprints by which results of different games are distinguished."""
