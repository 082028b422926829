"""Rules on what a project declares: the versions and the packages that its code is run with."""
