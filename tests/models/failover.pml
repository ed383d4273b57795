/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Role changes, written from docs/failover.md and not from the state machine: a second opinion. (On
 * what a stream, an acknowledgement and a hint are taken is as in zrepd; that page is silent there.)
 * Two hosts, a network that loses, delays, repeats and overtakes, power cuts, users, an operator.
 * tests/models/run has spin go through all of it.
 *
 * A host does one thing at a time with a filesystem: it holds the lock (`busy`). What it stores is a
 * `Disk`; each store is one step, as one `zfs set` is. All else is lost in a cut. A host that is down
 * for long is one that is slow and then cut, so a cut takes no time here.
 *
 * Data is a set of writes, each a bit above all earlier ones and a snapshot of its own. What changes
 * nothing is left out: commands that are refused, syncs of what is the same on both sides.
 */
#ifndef COMMANDS        /* how often each may happen in one history; all four are given, or none */
#define COMMANDS 2
#define CUTS 1
#define FAULTS 1
#define WRITES 1
#endif
#ifndef PLANNED         /* the operator uses neither -L nor resolve */
#define PLANNED 0
#endif
#ifndef SPLIT           /* begins with two masters of one epoch, made by hand */
#define SPLIT 0
#endif
#ifndef BREAK           /* leaves a rule of the protocol out; each has to be found */
#define BREAK nothing
#endif

mtype:rule = { nothing, ACK, ANSWER, ATOMIC, BASE, EPOCH, FREEZE, JOURNAL, NO_BASE, REJOIN, RESCUE, STALE,
    STREAM, THAW };
mtype:journal = { clean, freezing, handed_over, promoted, stepping_down, rejoining };
mtype:request = { roles, look, check, stream, commit, promote, hand_over };
mtype:word = { yes, not_now, conflict, no_base, silence };

typedef Disk { bool master; byte epoch; mtype:journal journal; byte base; byte data; byte sent };
/* The epoch of who asks, and the snapshots that it is about. */
typedef Request { mtype:request kind; byte epoch; byte bits };
/* And how things stand there. */
typedef Answer { mtype:word word; bool master; byte epoch; byte data };

Disk disk[2];
bool busy[2];       /* its lock is held */
bool doubt[2];      /* has to ask who is master */
bool cut[2];        /* its power went: it begins anew */
/* In the network, of each side: what it waits for, what it waits for no more, and the reply. */
Request asked[2];
Request late[2];
Answer reply[2];
bool owes[2];       /* serves what the other side waits for */

byte written, acked, rescued;
byte commands = COMMANDS, cuts = CUTS, faults = FAULTS, writes = WRITES;
bool forced;        /* -L or resolve was used */

#define broken(rule) (BREAK == rule)
#define here disk[me]
#define peer (1 - me)
#define my_epoch disk[me].epoch

/* What two histories share: all that is below their first difference. Of equal ones that is all. */
#define lowest(x) ((x) & (0 - (x)))
#define common(a, b) ((a) & (lowest((a) ^ (b)) - 1))
#define begins(a, b) (common(a, b) == (a))

#define writable(s) (disk[s].master && (disk[s].journal != freezing || broken(FREEZE)))
#define two_masters (disk[0].master && disk[1].master)
#define same_epoch (disk[0].epoch == disk[1].epoch)
#define to_rescue(s) (disk[s].journal == stepping_down || disk[s].journal == rejoining)

/* What holds in every state. */
inline promises() {
    assert(SPLIT || !(two_masters && same_epoch && writable(0) && writable(1)));
    assert(SPLIT || forced || !two_masters);
    assert((written & ~(disk[0].data | disk[1].data | rescued)) == 0)
}

#define at_rest(s) (disk[s].journal == clean && !busy[s])
#define one_master (disk[0].master != disk[1].master && disk[0].data == disk[1].data)
#define master_data disk[(disk[0].master -> 0 : 1)].data

/* Nothing is left to do: all is in order, with no word of the operator's but in a split. */
inline judge() {
    assert(at_rest(0) && at_rest(1) && same_epoch && (one_master || SPLIT && two_masters));
    assert(SPLIT || (acked & ~master_data) == 0);
    assert(SPLIT || forced || master_data == written)
}

/* ---- The network ---- */

inline clear(q) { q.kind = 0; q.epoch = 0; q.bits = 0 }
inline copy(to, from) { to.kind = from.kind; to.epoch = from.epoch; to.bits = from.bits }
inline clear_answer(a) { a.word = 0; a.master = false; a.epoch = 0; a.data = 0 }

/* Leaves in `got` the word and how things stand there. */
inline ask(what, with_epoch, with_bits) {
    d_step { asked[me].kind = what; asked[me].epoch = with_epoch; asked[me].bits = with_bits }
    if
    :: d_step { reply[me].word != 0 -> got.word = reply[me].word; got.master = reply[me].master;
        got.epoch = reply[me].epoch; got.data = reply[me].data; clear_answer(reply[me]) }
    :: d_step { asked[me].kind == 0 && reply[me].word == 0 && !owes[peer] -> got.word = silence }
    :: d_step { faults > 0 -> faults--; hang_up(); got.word = silence }
    fi
}

inline answer(with) {
    reply[peer].word = with; reply[peer].master = here.master;
    reply[peer].epoch = here.epoch; reply[peer].data = here.data
}

/* This side waits no longer. What it asked may arrive all the same, if that would change something. */
inline hang_up() {
    if
    :: late[me].kind == 0 && (asked[me].kind == stream || asked[me].kind == commit ||
        asked[me].kind == promote) -> copy(late[me], asked[me])
    :: else
    fi;
    clear(asked[me]); clear_answer(reply[me]); owes[peer] = false
}

/* ---- What a host does with its lock ---- */

inline store(is_master, new_epoch, new_journal, new_base) {
    d_step { here.master = is_master; here.epoch = new_epoch; here.journal = new_journal;
        here.base = new_base; promises() }
}

inline become_master(new_epoch) {
    store(true, new_epoch, promoted, 0);
    store(true, my_epoch, clean, 0)
}

/* The newest snapshot of all goes to the other side; the word is `yes` once that is known here. */
inline sync() {
    ask(look, 0, 0);
    if
    :: got.word == yes && (got.master || got.epoch > my_epoch || !begins(got.data, here.data)) ->
        d_step { doubt[me] = true; got.word = conflict }
    :: got.word == yes && !got.master && got.epoch <= my_epoch && begins(got.data, here.data) ->
        taken = here.data;
        ask(stream, my_epoch, taken);
        if :: got.word == yes -> ask(commit, my_epoch, taken) :: else fi;
        if
        :: got.word == yes -> d_step { here.sent = taken; acked = acked | taken }
        :: got.word == conflict -> doubt[me] = true
        :: else
        fi
    :: else
    fi
}

/* Up to its step 3; the journal does the rest. */
inline failover() {
    sync();
    if :: got.word == yes -> ask(check, my_epoch, here.sent) :: else fi;
    if
    :: got.word == yes ->
        store(true, my_epoch, freezing, 0);
        sync();
        if
        :: got.word == yes && !broken(JOURNAL) -> store(false, my_epoch + 1, handed_over, here.sent)
        :: got.word == yes && broken(JOURNAL) ->
            store(false, my_epoch + 1, clean, here.sent); ask_to_promote()
        :: else -> store(true, my_epoch, clean, 0)
        fi
    :: else
    fi
}

inline ask_to_promote() {
    ask(promote, my_epoch, here.base);
    if
    :: got.word == no_base && !broken(NO_BASE) -> become_master(my_epoch + 1)
    :: got.word == yes && (got.master -> got.epoch >= my_epoch : got.epoch > my_epoch) ->
        store(false, my_epoch, clean, 0)
    :: got.word == silence && broken(THAW) -> store(true, my_epoch, clean, 0)
    :: else   /* again, later */
    fi
}

/* What is newer than the base is copied beside the filesystem, which then goes back there. */
inline rescue() {
    rescued = rescued | (broken(RESCUE) -> 0 : here.data & ~here.base);
    d_step { here.data = here.base; here.sent = here.sent & here.base; promises() }
}

/* A later epoch is right; so is the master of our own, when it lacks what we have. */
#define is_right(of_peer) ((of_peer) > my_epoch || broken(ANSWER))

inline find_out() {
    doubt[me] = false;
    ask(roles, here.master * my_epoch, 0);
    if
    :: got.word == yes && got.master && !broken(REJOIN) && (here.master -> is_right(got.epoch)
            : got.epoch >= my_epoch && !begins(here.data, got.data)) ->
        store(false, got.epoch, rejoining, common(here.data, got.data))
    :: else ->
        doubt[me] = (got.word == silence);
        if :: here.journal == freezing -> store(true, my_epoch, clean, 0) :: else fi
    fi
}

inline go_on() {
    if
    :: here.journal == clean || here.journal == freezing -> find_out()
    :: here.journal == promoted -> store(true, my_epoch, clean, 0)
    :: here.journal == handed_over -> ask_to_promote()
    :: here.journal == stepping_down -> rescue(); store(false, my_epoch, handed_over, here.base)
    :: here.journal == rejoining -> rescue(); store(false, my_epoch, clean, 0)
    fi
}

#define is_news(q) (q.kind == promote && (q.epoch > my_epoch || broken(STALE) && q.epoch != my_epoch))
#define can_be_promoted (here.journal == clean || here.journal == handed_over)

inline accept(question, is_awaited) {
    copy(wish, question); clear(question);
    busy[me] = true; owes[me] = is_awaited
}

inline take_over() {
    if
    :: begins(wish.bits, here.data) || broken(BASE) -> become_master(wish.epoch); got.word = yes
    :: else -> got.word = no_base
    fi;
    d_step { if :: owes[me] -> answer(got.word) :: else fi; owes[me] = false }
}

/* It looks first: it is for two masters of one epoch alone. */
inline resolve() {
    ask(roles, my_epoch, 0);
    if
    :: got.word == yes && got.master && got.epoch == my_epoch ->
        forced = true;
        if
        :: store(true, my_epoch + 2, clean, 0)
        :: store(false, my_epoch + 1, stepping_down, common(here.data, got.data))
        fi
    :: else
    fi
}

#define is_master (here.master && here.journal == clean)
/* Something to send, to record, or to find out. It asks who is master before it sends anything, and
 * about a split that is known no more. */
#define sync_is_due (is_master && !doubt[me] && !(two_masters && same_epoch) && !busy[peer] && \
    (here.data != disk[peer].data || here.sent != here.data || !same_epoch))

#define begin(possible) atomic { possible -> busy[me] = true }
#define command(possible) atomic { commands > 0 && possible -> commands--; busy[me] = true }
#define by_force(possible) \
    atomic { commands > 0 && !PLANNED && possible -> commands--; busy[me] = true; forced = true }
inline forget() { clear_answer(got); clear(wish); taken = 0; busy[me] = false }
inline done() { d_step { forget() } }

proctype host(bit me) {
    Answer got;
    Request wish;
    byte taken;
end:
    do
    :: {
end_idle:
        do
        :: begin((here.journal != clean || doubt[me])); go_on(); done()
        :: begin(sync_is_due); sync(); done()
        :: d_step { is_news(asked[peer]) && can_be_promoted -> accept(asked[peer], true) };
            take_over(); done()
        :: d_step { is_news(late[peer]) && can_be_promoted -> accept(late[peer], false) };
            take_over(); done()
        :: atomic { late[peer].kind == hand_over && is_master -> clear(late[peer]); busy[me] = true };
            failover(); done()
        /* failover, takeover, failover -L, takeover -L, resolve */
        :: command(is_master); failover(); done()
        :: d_step { commands > 0 && !here.master && late[me].kind == 0 ->
            commands--; late[me].kind = hand_over }
        :: by_force(is_master); store(false, my_epoch + 1, stepping_down, here.sent); done()
        :: by_force(!here.master); become_master(my_epoch + !broken(EPOCH)); done()
        :: by_force(!here.master && broken(ATOMIC)); here.master = true; become_master(my_epoch + 1); done()
        :: command(is_master && SPLIT); resolve(); done()
        od
    } unless { d_step { cut[me] -> cut[me] = false; hang_up(); forget(); owes[me] = false; doubt[me] = true } }
    od
}

/* ---- What is answered without the lock, and what arrives ---- */

/* What the master says of itself may mean that something was missed here. */
inline take_hint(from_epoch) {
    if
    :: from_epoch > my_epoch || (from_epoch == my_epoch && !here.master && here.data != here.sent) ->
        doubt[me] = true
    :: else
    fi
}

/* A rescue comes before any stream, which would roll back what it is to keep. */
inline receive(what) {
    if
    :: here.master || !to_rescue(me) && !begins(here.data, what) -> word = conflict
    :: !here.master && to_rescue(me) && !broken(STREAM) -> word = not_now
    :: else -> here.data = what; word = yes
    fi;
    promises()
}

/* A target that is behind in its epoch takes the master's. One that has data to rescue is about to go back
 * behind what it would record. */
inline record(of_epoch, what) {
    if
    :: here.master || !begins(what, here.data) -> word = conflict
    :: !here.master && to_rescue(me) && !broken(ACK) -> word = not_now
    :: else ->
        here.epoch = (of_epoch > here.epoch -> of_epoch : here.epoch);
        here.sent = (begins(here.sent, what) -> what : here.sent);
        word = yes
    fi
}

inline serve(question) {
    if
    :: question.kind == look || question.kind == promote -> word = yes
    :: question.kind == roles -> take_hint(question.epoch); word = yes
    :: question.kind == check -> word = (at_rest(me) && !here.master && here.epoch == question.epoch &&
        begins(question.bits, here.data) -> yes : not_now)
    :: question.kind == stream && !busy[me] -> receive(question.bits)
    :: question.kind == commit && !busy[me] -> record(question.epoch, question.bits)
    :: else -> word = not_now
    fi
}

proctype listener(bit me) {
    mtype:word word;
end:
    do
    :: d_step { asked[peer].kind != 0 && !is_news(asked[peer]) ->
        serve(asked[peer]); answer(word); clear(asked[peer]); word = 0 }
    :: d_step { (late[peer].kind == stream || late[peer].kind == commit) && !busy[me] ->
        serve(late[peer]); clear(late[peer]); word = 0 }
    od
}

/* ---- Everything else that happens ---- */

inline bad_luck(s) {
    if
    :: d_step { cuts > 0 && !cut[s] -> cuts--; cut[s] = true }
    :: d_step { late[s].kind != 0 -> clear(late[s]) }  /* lost for good */
    :: d_step { faults > 0 && late[s].kind == 0 && asked[s].kind == promote ->  /* comes twice */
        faults--; copy(late[s], asked[s]) }
    fi
}

inline user_writes(s) {
    d_step { writes > 0 && writable(s) -> writes--;
        disk[s].data = disk[s].data | (written + 1); written = written | (written + 1) }
}

init {
    d_step {
        disk[0].journal = clean; disk[0].epoch = 1; disk[0].master = true;
        disk[1].journal = clean; disk[1].epoch = 1;
        if
        :: SPLIT -> disk[1].master = true; disk[0].data = 1; disk[1].data = 2; written = 3
        :: else
        fi
    }
    atomic { run host(0); run host(1); run listener(0); run listener(1) }
    do
    :: user_writes(0)
    :: user_writes(1)
    :: bad_luck(0)
    :: bad_luck(1)
    :: timeout -> judge(); break
    od
}
