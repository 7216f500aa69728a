"""`tidewheel dev`: the whole of Tidewheel on this machine, each process on its own, all of them ours to stop."""
