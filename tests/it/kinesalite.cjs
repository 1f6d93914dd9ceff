// Serves Kinesis on any free port of loopback, told on standard output; the arguments are where its
// package is, and how many shards there may be.
const [path, shardLimit] = process.argv.slice(2);
const kinesalite = require(path);
const soon = { createStreamMs: 10, deleteStreamMs: 10, updateStreamMs: 10 };
const server = kinesalite({ ...soon, shardLimit: Number(shardLimit) });
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
