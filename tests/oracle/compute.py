"""Computes results from events: rides, records, results, leaderboard, views and late samples."""

import tomllib

HOUR = 3_600_000
DAY = 86_400_000
AHEAD = 600_000  # a device's time further ahead of the arrival counts as the arrival, to choose a name


class Rules:
    def __init__(self, path=None):
        rules = {}
        if path:
            with open(path, "rb") as file:
                rules = tomllib.load(file)
        self.cadence_offset = float(rules.get("cadence_offset", 35))
        self.resistance_offset = float(rules.get("resistance_offset", 65))
        self.divisor = float(rules.get("divisor", 100))
        self.race_seconds = rules.get("race_seconds", 300)
        self.grace_seconds = rules.get("grace_seconds", 60)
        self.excluded_racers = set(rules.get("excluded_racers", []))
        self.excluded_races = {(r["class_id"], r["race_id"]) for r in rules.get("excluded_races", [])}
        self.excluded_rides = {
            (r["class_id"], r["race_id"], r["racer_id"]) for r in rules.get("excluded_rides", [])
        }
        self.corrected_racers = rules.get("corrected_racers", {})
        self.corrected_devices = rules.get("corrected_devices", {})

    def excludes(self, ride):
        class_id, race_id, racer_id = ride
        return (
            racer_id in self.excluded_racers
            or (class_id, race_id) in self.excluded_races
            or ride in self.excluded_rides
        )

    def output(self, event):
        """The output; the correction of the device applies before that of the racer."""
        cadence, resistance = event["cadence"], event["resistance"]
        for factors in (
            self.corrected_devices.get(event["uuid"], {}),
            self.corrected_racers.get(str(event["racerId"]), {}),
        ):
            cadence *= factors.get("cadence", 1.0)
            resistance *= factors.get("resistance", 1.0)
        return ((cadence + self.cadence_offset) * (resistance + self.resistance_offset)) / self.divisor


class Ride:
    def __init__(self, clock, second, rules):
        # The grace is over then. A ride is finished at the next whole second.
        self.over = clock + (rules.race_seconds - second + rules.grace_seconds) * 1000
        self.finished = -(-self.over // 1000) * 1000
        self.curve = {}  # second -> best output, of the samples that are not late
        self.final = None
        self.name = None  # (device's time, name)
        self.records = {}  # second -> best output, with late samples

    def add(self, event, output, clock):
        """Adds a sample. Returns whether it is late."""
        second = event["second"]
        self.records[second] = max(output, self.records.get(second, output))
        if clock > self.over + HOUR:
            return True
        self.curve[second] = max(output, self.curve.get(second, output))
        if event["event"] == "final":
            self.final = output if self.final is None else max(output, self.final)
        if event["name"] is not None:
            now = clock if event["arrivalTimestamp"] is None else event["arrivalTimestamp"]
            device = event["deviceTimestamp"]
            name = (device if device <= now + AHEAD else now, event["name"].encode())
            self.name = name if self.name is None else max(name, self.name)
        return False

    def row(self, class_id, race_id, racer_id):
        total = 0.0
        for second in sorted(self.curve):
            total += self.curve[second]
        return {
            "classId": class_id,
            "raceId": race_id,
            "racerId": racer_id,
            "name": None if self.name is None else self.name[1].decode(),
            "final": self.final,
            "best": max(self.curve.values()),
            "total": total,
            "seconds": len(self.curve),
        }


class Results:
    def __init__(self, rules):
        self.rules = rules
        self.rides = {}
        self.best_finals = {}  # (class, racer) -> (output, race)
        self.views = {}  # project -> [views, ms]
        self.seen = {}  # (project, uuid) -> day of the first event
        self.late = 0

    def add(self, event, clock):
        if event["event"] in ("view", "watch"):
            self.add_tracking(event, clock // DAY)
            return
        key = (event["classId"], event["raceId"], event["racerId"])
        if self.rules.excludes(key):
            return
        output = self.rules.output(event)
        if key not in self.rides:
            self.rides[key] = Ride(clock, event["second"], self.rules)
        self.late += self.rides[key].add(event, output, clock)
        if event["event"] == "final":
            # Of equal outputs the race with the lowest id counts.
            best = self.best_finals.get((key[0], key[2]))
            if best is None or (output, -key[1]) > (best[0], -best[1]):
                self.best_finals[key[0], key[2]] = (output, key[1])

    def add_tracking(self, event, day):
        key = (event["projectId"], event["uuid"])
        if key in self.seen and day - self.seen[key] <= 7:
            return
        self.seen[key] = day
        counts = self.views.setdefault(event["projectId"], [0, 0])
        counts[0] += event["event"] == "view"
        counts[1] += event["durationMs"]

    def finished(self, as_of):
        rides = sorted(self.rides.items())
        return [(key, ride) for key, ride in rides if as_of is None or ride.finished <= as_of]

    def histories(self, as_of):
        """Class -> second -> racer -> record, in ascending order."""
        best = {}
        for (class_id, _, racer_id), ride in self.finished(as_of):
            for second, output in ride.records.items():
                key = (class_id, second, racer_id)
                best[key] = max(output, best.get(key, output))
        histories = {}
        for class_id, second, racer_id in sorted(best):
            seconds = histories.setdefault(class_id, {})
            seconds.setdefault(second, {})[racer_id] = best[class_id, second, racer_id]
        return histories

    def leaderboard(self):
        classes = {}
        for (class_id, racer_id), (output, race_id) in sorted(self.best_finals.items()):
            row = {"output": output, "raceId": race_id}
            classes.setdefault(f"class-{class_id}", {})[str(racer_id)] = row
        return classes
