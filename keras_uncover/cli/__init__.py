"""The commands of ``keras-uncover``, a file each: ``add(commands)`` gives the parser one more."""
