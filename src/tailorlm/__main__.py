"""`python -m tailorlm`: the `tailor` command, for launchers that start modules (`torchrun -m tailorlm fit ...`)."""

from tailorlm.cli import main

if __name__ == "__main__":
    main()
