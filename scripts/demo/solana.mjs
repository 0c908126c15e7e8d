// A Solana virtual machine in this process (litesvm), driven by one JSON document a line.
//
//   {"do": "fund", "address": A, "lamports": N}   -> {"balance": N}
//   {"do": "blockhash"}                           -> {"blockhash": B}
//   {"do": "balance", "address": A}               -> {"balance": N}
//   {"do": "send", "transaction": hex}            -> {"signature": S} or {"error": text}
//
// It verifies signatures and executes programs; it is no validator: no network, no forks.

import { createInterface } from 'node:readline';
import { address, getBase58Decoder, getTransactionDecoder, lamports } from '@solana/kit';
import { FailedTransactionMetadata, LiteSVM } from 'litesvm';

const svm = new LiteSVM();

const commands = {
  fund: (asked) => {
    svm.airdrop(address(asked.address), lamports(BigInt(asked.lamports)));
    return commands.balance(asked);
  },
  balance: (asked) => ({ balance: Number(svm.getBalance(address(asked.address)) ?? 0n) }),
  blockhash: () => ({ blockhash: svm.latestBlockhash() }),
  send: (asked) => {
    const bytes = new Uint8Array(Buffer.from(asked.transaction, 'hex'));
    const result = svm.sendTransaction(getTransactionDecoder().decode(bytes));
    if (result instanceof FailedTransactionMetadata) {
      return { error: String(result.err()) };
    }
    return { signature: getBase58Decoder().decode(result.signature()) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const asked = JSON.parse(line);
    answer = commands[asked.do](asked);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
