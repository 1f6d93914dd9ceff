"""The event clock of a partition: it follows the majority of devices.

The input of `clocks` is one item per line, in order. An item is None for a rejected line, otherwise a
tuple (time in ms, device, whether the time is an arrival).
"""

from collections import Counter

LEAD = 10_000  # a time up to 10 s past the confirmed time moves the clock at once
MINUTE = 60_000
TEN_MINUTES = 600_000
MAJORITY = 32  # a vote on a near time ends when so many more devices agree than disagree
QUIET_LINES = 256  # ... or after so many lines without a new voter
MOST_LINES = 16_384  # ... or after so many lines


def clocks(items):
    """Returns the clock at each item, in ms. Lines before the first confirmed time get that time."""
    result = []
    confirmed = None  # the most recent confirmed time
    clock = None
    devices = set()  # the first two devices of events without arrivals
    for index, item in enumerate(items):
        if item is not None:
            time, device, arrival = item
            if len(devices) < 2 and not arrival:
                devices.add(device)
            if arrival:
                confirmed = time if confirmed is None else max(confirmed, time)
                clock = time if clock is None else max(clock, time)
            elif confirmed is not None and time <= confirmed + LEAD:
                clock = max(clock, time)
            elif Vote(items, index, confirmed, devices).confirms():
                confirmed = time
                clock = time if clock is None else max(clock, time)
        result.append(clock)
    return fill(result)


def fill(result):
    """Gives the lines before the first confirmed time that time; 0 if no time is ever confirmed."""
    first = next((clock for clock in result if clock is not None), 0)
    return [first if clock is None else clock for clock in result]


class Vote:
    """The vote of the lines after a candidate on the candidate's time."""

    def __init__(self, items, index, confirmed, devices):
        self.items = items
        self.index = index
        self.time, self.device, _ = items[index]
        self.confirmed = confirmed
        self.gap = None if confirmed is None else self.time - confirmed
        self.devices = set(devices)
        self.voters = {self.device}  # the candidate agrees with itself
        self.votes = Counter(agree=1)  # "agree", "later" (agrees if nobody disagrees) or "disagree"
        self.single = Counter(agree=1)  # the same, if each event of the only device votes

    def confirms(self):
        quiet = 0  # lines since the most recent new voter
        others = False  # whether an event of another device was read
        for position in range(self.index + 1, len(self.items)):
            if self.ended(position - self.index, quiet, others):
                break
            item = self.items[position]
            quiet += 1
            if item is None:
                continue
            time, device, arrival = item
            if arrival:
                break
            if len(self.devices) < 2:
                self.devices.add(device)
            if device != self.device and not others:
                others = True
                quiet = 1
            opinion = self.opinion(time)
            if opinion is None:
                continue
            if device == self.device:
                self.single[opinion] += 1
            if device not in self.voters:
                self.voters.add(device)
                self.votes[opinion] += 1
                quiet = 0
        return self.outcome()

    def opinion(self, time):
        half = LEAD if self.gap is None else min(LEAD, self.gap // 2)
        if self.gap is None and time >= self.time:
            return "agree"
        if time > self.time + MINUTE:
            return "later" if time <= self.time + self.gap else None
        if time >= self.time - half:
            return "agree"
        if self.gap is None or time >= self.confirmed - self.gap // 2:
            return "disagree"
        return None

    def far(self):
        return self.gap is None or self.gap > MINUTE

    def sides(self):
        votes = self.votes if len(self.devices) > 1 else self.single
        return votes["agree"] + (0 if votes["disagree"] else votes["later"]), votes["disagree"]

    def ended(self, count, quiet, others):
        # The votes of a single device do not end a vote: another device may still appear.
        agree, disagree = self.votes["agree"], self.votes["disagree"]
        if not self.far() and agree >= disagree + MAJORITY:
            return True
        if disagree >= agree + (1 if self.gap is None else 2 if self.far() else 0):
            return True
        if count > MOST_LINES:
            return True
        near = self.gap is not None and self.gap <= TEN_MINUTES
        if (near or disagree or agree + self.votes["later"] > 1) and others:
            return quiet >= QUIET_LINES
        return False

    def outcome(self):
        agree, disagree = self.sides()
        if self.gap is not None and self.far() and agree < 2:
            return False  # a time more than a minute ahead needs a second device
        return 2 * agree > 3 * disagree
