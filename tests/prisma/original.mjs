// The original service's client, at work: `node original.mjs create|read|write` on the database of DATABASE_URL.
// Prints one JSON document. It lies beside the tests and is run in the folder that has Prisma's packages.

import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { PrismaClient } = require("@prisma/client");
const { PrismaPg } = require("@prisma/adapter-pg");

const url = new URL(process.env.DATABASE_URL);
const schema = url.searchParams.get("schema") ?? undefined;
const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: url.href }, { schema }),
  errorFormat: "minimal",
});

// The type that each value of a row has in JavaScript.
const types = (contact) =>
  Object.fromEntries(
    Object.entries(contact).map(([name, value]) => [
      name,
      value === null ? "null" : value instanceof Date ? "Date" : typeof value,
    ]),
  );

const failure = async (work) => {
  try {
    await work();
    return "succeeded";
  } catch (error) {
    return `${error.constructor.name}: ${error.message.trim().split("\n").at(-1)}`;
  }
};

const contact = { email: "x@hill.edu", phoneNumber: "9", linkPrecedence: "primary" };

const works = {
  // A primary, what links to it, and a merge, as the original makes them: created, then updated.
  async create() {
    const lorraine = await prisma.contact.create({
      data: { email: "lorraine@hill.edu", phoneNumber: "1", linkPrecedence: "primary" },
    });
    const mcfly = await prisma.contact.create({
      data: { email: "mcfly@hill.edu", phoneNumber: "1", linkedId: lorraine.id, linkPrecedence: "secondary" },
    });
    const biff = await prisma.contact.create({
      data: { email: "biff@hill.edu", phoneNumber: null, linkPrecedence: "primary" },
    });
    const made = await prisma.contact.findMany({ orderBy: { id: "asc" } });
    // The clock shows milliseconds: a merge in the same one as the creation would look like none.
    while (Date.now() <= biff.updatedAt.getTime());
    const merged = await prisma.contact.update({
      where: { id: biff.id },
      data: { linkedId: lorraine.id, linkPrecedence: "secondary" },
    });
    await prisma.contact.createMany({
      data: Array.from({ length: 50 }, (_, n) => ({ email: `many.${n}@hill.edu`, linkPrecedence: "primary" })),
    });
    const many = await prisma.contact.findMany({ where: { email: { startsWith: "many" } } });
    return {
      count: made.length + many.length,
      equalOnCreation: [...made, ...many].every((one) => one.createdAt.getTime() === one.updatedAt.getTime()),
      movedOnUpdate: merged.updatedAt.getTime() > merged.createdAt.getTime(),
      createdStaysOnUpdate: merged.createdAt.getTime() === biff.createdAt.getTime(),
      linkedTo: mcfly.linkedId,
    };
  },

  // What the original's requests read.
  async read() {
    const all = await prisma.contact.findMany({ orderBy: { id: "asc" } });
    const either = { OR: [{ email: "mcfly@hill.edu" }, { phoneNumber: "1" }] };
    return {
      all,
      types: Object.fromEntries(all.slice(0, 3).map((one) => [one.id, types(one)])),
      first: await prisma.contact.findFirst({ where: either, orderBy: { createdAt: "asc" } }),
      either: (await prisma.contact.findMany({ where: either, orderBy: { createdAt: "asc" } })).map((one) => one.id),
      unique: await prisma.contact.findUnique({ where: { id: 2 } }),
      none: await prisma.contact.findUnique({ where: { id: 999 } }),
      group: (
        await prisma.contact.findMany({
          where: { OR: [{ id: 1 }, { linkedId: 1 }], deletedAt: null },
          orderBy: { createdAt: "desc" },
        })
      ).map((one) => one.id),
      before: await prisma.contact.count({ where: { createdAt: { lte: all[1].createdAt } } }),
      ids: (await prisma.contact.findMany({ where: { id: { in: [1, 3] }, email: { not: null } } })).length,
    };
  },

  // What a forgotten server would write.
  async write() {
    return {
      create: await failure(() => prisma.contact.create({ data: contact })),
      createMany: await failure(() => prisma.contact.createMany({ data: [contact, contact] })),
      update: await failure(() => prisma.contact.update({ where: { id: 1 }, data: { linkPrecedence: "secondary" } })),
      updateMany: await failure(() =>
        prisma.contact.updateMany({ where: { linkedId: 1 }, data: { linkPrecedence: "primary" } }),
      ),
      upsert: await failure(() => prisma.contact.upsert({ where: { id: 1 }, create: contact, update: contact })),
      delete: await failure(() => prisma.contact.delete({ where: { id: 1 } })),
      deleteMany: await failure(() => prisma.contact.deleteMany()),
      transaction: await failure(() =>
        prisma.$transaction(async (inside) => {
          await inside.contact.findMany();
          await inside.contact.create({ data: contact });
        }),
      ),
      batch: await failure(() => prisma.$transaction([prisma.contact.count(), prisma.contact.create({ data: contact })])),
    };
  },
};

console.log(JSON.stringify(await works[process.argv[2]](), null, 1));
await prisma.$disconnect();
