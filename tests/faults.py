"""What goes wrong in workers, in a module that they import quickly."""

import os

from isthmus.training.callbacks import Callback


class Fault(Callback):
    """Have one process send itself a signal at a step in the middle of an epoch, once."""

    everywhere = True

    def __init__(self, flag, number, epoch=2):
        self.flag, self.number, self.epoch = flag, number, epoch

    def epoch_start(self, loop):
        if loop.epoch != self.epoch or loop.group.rank != 1 or self.flag.exists():
            return
        inner, self.left = loop.engine.step, 3

        def step(*args, **settings):
            self.left -= 1
            if not self.left:
                self.flag.touch()
                os.kill(os.getpid(), self.number)
            inner(*args, **settings)

        loop.engine.step = step


class Wrong(Callback):
    """Fail on the second process."""

    everywhere = True

    def epoch_end(self, loop, row):
        if loop.epoch == 2 and loop.group.rank == 1:
            raise ValueError("the moon is full; wait for another one")


class Heard(Callback):
    """Write down which process was told of which epoch, and end the fit after some."""

    def __init__(self, path, last=2):
        self.path, self.last, self.epochs = path, last, []

    def epoch_end(self, loop, row):
        self.epochs.append(loop.epoch)
        with self.path.open("a") as file:
            file.write(f"{loop.group.rank} {loop.epoch}\n")
        loop.stop = loop.epoch == self.last
