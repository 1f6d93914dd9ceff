"""Seeded random racing: rides, views, late samples, gaps, duplicates and wrong device clocks.

`racing` returns events in the order of their true times, each as (true time, fields).
"""

START = 1_795_930_000_000
NIGHT = 9 * 3_600_000
DAY = 24 * 3_600_000
NAMES = ["Ada", "Ben", "Čeněk", "名前", "{}", 'a"}', "", "n" * 128, "é" * 64, "\\", "x\ud800y", "\udc00"]
NAMES += ["n" * 140, "é" * 70, "a" + "é" * 70]  # longer than 128 bytes


def racing(random):
    """Returns the events of a few sessions with gaps in between."""
    racers = random.sample(range(1, 40), random.randint(1, 9)) + random.choice([[], [0], [2**32 - 1]])
    wrong = wrong_clocks(random, racers)
    time = START + random.randrange(DAY)
    events = []
    race = random.choice([0, 5_400_800, 1_619_185_620_265])
    for _ in range(random.randint(1, 4)):
        events += session(random, time, race, racers, wrong)
        time += random.choice([0, 90_000, 600_000, 1_500_000, 4_500_000, NIGHT, 8 * DAY])
        race += random.choice([0, 1, 1, 1])
    events += [late(random, event, time) for event in random.sample(events, min(8, len(events)))]
    events += views(random, START + random.randrange(DAY), time)
    events += random.sample(events, len(events) // 12)  # duplicates that directly follow
    events.sort(key=lambda event: event[0])
    return later_duplicates(random, events)


def session(random, start, race, racers, wrong):
    """One race of each of a few classes."""
    events = []
    for class_id in random.sample([1, 2, 3, 65_535], random.randint(1, 2)):
        for racer in random.sample(racers, random.randint(1, len(racers))):
            first = random.choice([1, 1, 2, 150, 299])
            length = random.randint(1, random.choice([3, 12, 40]))
            step = random.choice([1, 1, 1, 7])
            delay = random.choice([0, 0, 400, 3_000, 45_000])
            base = random.choice(NAMES)
            name = random.choice([None, "constant", "changing"])
            device = random.choice([None, f"bike {racer}", "bike 1"])
            for index in range(length):
                second = first + index * step
                if second > random.choice([300, 301]):
                    break
                true = start + delay + second * 1000 + random.randint(0, 900)
                fields = {"event": "final" if index == length - 1 and random.random() < 0.8 else "update"}
                fields |= {"raceId": race, "classId": class_id, "racerId": racer, "second": second}
                fields |= {"cadence": measure(random), "resistance": measure(random)}
                fields["deviceTimestamp"] = device_time(random, wrong.get(racer), true)
                if device is not None:
                    fields["uuid"] = device
                if name is not None and random.random() < 0.9:
                    fields["name"] = base if name == "constant" else random.choice(NAMES)
                events.append((true, fields))
    return events


def measure(random):
    value = random.choice([0, 1000, random.randint(60, 110), random.uniform(0, 200)])
    return value if random.random() < 0.8 else round(value, 2)


def late(random, event, end):
    """The same ride's sample again, but later: after the race, in the repair window or after it."""
    true, fields = event
    true += random.choice([70_000, 362_000, 1_800_000, 3_900_000, 3_970_000, 5_000_000, DAY])
    fields = dict(fields, second=random.randint(1, 300), cadence=measure(random))
    fields.pop("name", None)
    if abs(fields["deviceTimestamp"] - event[0]) < 60_000:
        fields["deviceTimestamp"] = true
    fields["event"] = random.choice(["update", "final"])
    return min(true, max(end, event[0])), fields


def views(random, start, end):
    events = []
    projects = ["intro", "p" * 128, "日本", "a,b%*"]
    for index in range(random.randint(0, 25)):
        true = random.randint(start, max(start, end))
        uuid = str(random.randint(0, 6))
        fields = {"event": random.choice(["view", "watch"]), "uuid": uuid, "projectId": projects[index % 4]}
        fields["deviceTimestamp"] = true
        if random.random() < 0.6:
            fields["durationMs"] = random.choice([0, 15_000, 86_400_000, None])
        if random.random() < 0.5:
            fields["viewerId"] = random.choice(["", "v", "7", None])
        events.append((true, fields))
    return events


def later_duplicates(random, events):
    """Repeats some events later, up to more than a week, with the same contents."""
    for true, fields in random.sample(events, len(events) // 20):
        fields = dict(fields)
        events.append((true + random.choice([1000, 400_000, 4_000_000, 7 * DAY, 9 * DAY]), fields))
    events.sort(key=lambda event: event[0])
    return events


def wrong_clocks(random, racers):
    """The wrong clocks of a minority of the racers (sometimes of more, which is a case too)."""
    share = random.choice([0, 0.15, 0.15, 0.3, 0.6])
    kinds = ["1970", "2099", -3_600_000, -70_000, 12_000, 61_000, 3_600_000, 3 * DAY, "random"]
    return {racer: random.choice(kinds) for racer in racers if random.random() < share}


def device_time(random, kind, true):
    if kind is None:
        return true - random.choice([0, 0, 0, 200, 2500])
    if kind == "1970":
        return random.randint(0, 5000)
    if kind == "2099":
        return 4_080_000_000_000 + true % DAY
    if kind == "random":
        return true + random.randint(-30, 30) * 1_000_000
    return true + kind
