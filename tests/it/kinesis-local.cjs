// Serves Kinesis with kinesis-local on a free loopback port, and prints its URL. By itself kinesis-local listens on
// fixed ports of all addresses. The argument is the path of its package.
const { Server } = require("net");
const PLAIN = 4568;
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  const listening = rest.find((argument) => typeof argument === "function");
  return listen.call(this, 0, "127.0.0.1", () => {
    // The other port is for TLS.
    if (port === PLAIN) console.log(`http://127.0.0.1:${this.address().port}`);
    listening?.();
  });
};
const durations = ["CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS"];
for (const what of durations) process.env[`${what}_DURATION`] = "10ms";
process.env.KINESIS_MOCK_PLAIN_PORT = PLAIN;
process.env.LOG_LEVEL = "ERROR";
// It loads its certificate from the working directory.
process.chdir(process.argv[2]);
require(`${process.argv[2]}/main.js`);
