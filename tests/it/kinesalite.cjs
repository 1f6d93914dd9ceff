// Serves Kinesis on any free port of loopback, told on standard output; the argument is where its package is.
const kinesalite = require(process.argv[2]);
const soon = { createStreamMs: 10, deleteStreamMs: 10, updateStreamMs: 10 };
const server = kinesalite({ ...soon, shardLimit: Number(process.env.SHARD_LIMIT) });
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
