// Serves Kinesis on a free loopback port, and prints its URL. The argument is the path of its package.
const kinesalite = require(process.argv[2]);
const fast = { createStreamMs: 10, deleteStreamMs: 10, updateStreamMs: 10 };
const server = kinesalite({ ...fast, shardLimit: Number(process.env.SHARD_LIMIT) });
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
