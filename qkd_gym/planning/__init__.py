"""Programs over a network: paths, concurrent flow, matchings, schedules."""
