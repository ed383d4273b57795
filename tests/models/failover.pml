/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Role changes, written from docs/failover.md and not from the code: a second opinion. Two hosts, a
 * network that loses, delays, repeats and overtakes, power cuts, users, an operator. tests/models/run
 * has spin go through all of it.
 *
 * A host does one thing at a time with a filesystem: it holds the lock (`busy`). What it stores is a
 * `Disk`; each store is one step, as one `zfs set` is. All else is lost in a cut. A host that is down
 * for long is one that is slow and then cut, so a cut takes no time here.
 *
 * Data is a set of writes, each a bit above all earlier ones and a snapshot of its own. What changes
 * nothing is left out: commands that are refused, syncs of what is the same on both sides.
 *
 * -DCOMMANDS= -DCUTS= -DFAULTS= -DWRITES=  how often each may happen in one history
 * -DPLANNED   the operator uses neither -L nor resolve
 * -DSPLIT     begins with two masters of one epoch, made by hand
 * -DBREAK_x   leaves a rule of the protocol out; each has to be found
 */
#ifndef COMMANDS
#define COMMANDS 2
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef WRITES
#define WRITES 1
#endif

mtype:journal = { clean, freezing, handed_over, promoted, stepping_down, rejoining };
mtype:request = { roles, look, check, stream, commit, promote, hand_over };
mtype:word = { yes, busy_now, conflict, no_base, silence };

typedef Disk { bool master; byte epoch; mtype:journal journal; byte base; byte data; byte sent };
/* By the master of which epoch (0: by a target), and the snapshots that it is about. */
typedef Request { mtype:request kind; byte epoch; byte bits };
/* How things stand there. */
typedef Answer { mtype:word word; bool master; byte epoch; byte data };

Disk disk[2];
bool busy[2];       /* its lock is held */
bool doubt[2];      /* has to ask who is master */
bool cut[2];        /* its power went: it begins anew */
/* In the network, of each side: what it waits for, what it gave up waiting for, the reply. */
Request asked[2];
Request late[2];
Answer reply[2];
bool owes[2];       /* serves what the other side waits for */

byte written, acked, rescued;
byte commands = COMMANDS, cuts = CUTS, faults = FAULTS, writes = WRITES;
bool forced;        /* -L or resolve was used */

#ifdef SPLIT
#define split true
#else
#define split false
#endif

/* What two histories share: all that is below their first difference. Of equal ones that is all. */
#define lowest(x) ((x) & (0 - (x)))
#define common(a, b) ((a) & (lowest((a) ^ (b)) - 1))
#define begins(a, b) (common(a, b) == (a))

#ifdef BREAK_FREEZE
#define writable(s) (disk[s].master)
#else
#define writable(s) (disk[s].master && disk[s].journal != freezing)
#endif
#define two_masters (disk[0].master && disk[1].master)
#define same_epoch (disk[0].epoch == disk[1].epoch)
#define to_rescue(s) (disk[s].journal == stepping_down || disk[s].journal == rejoining)

/* What holds in every state. */
inline promises() {
    assert(split || !(two_masters && same_epoch && writable(0) && writable(1)));
    assert(split || forced || !two_masters);
    assert((written & ~(disk[0].data | disk[1].data | rescued)) == 0)
}

#define master_side (disk[0].master -> 0 : 1)
#define at_rest(s) (disk[s].journal == clean && !busy[s])
/* Nobody but the operator knows whose data counts in a split that nobody resolved. */
#define settled (at_rest(0) && at_rest(1) && same_epoch && \
    (disk[0].master != disk[1].master && disk[0].data == disk[1].data || \
     split && two_masters))

#define here disk[me]
#define peer (1 - me)
#define my_epoch disk[me].epoch

inline clear(q) { q.kind = 0; q.epoch = 0; q.bits = 0 }
inline copy(to, from) { to.kind = from.kind; to.epoch = from.epoch; to.bits = from.bits }
inline forget_reply(s) {
    reply[s].word = 0; reply[s].master = false; reply[s].epoch = 0; reply[s].data = 0
}

/* `me` tells the other side how things stand here. */
inline answer(with) {
    reply[peer].word = with;
    reply[peer].master = here.master;
    reply[peer].epoch = here.epoch;
    reply[peer].data = here.data
}

/* Side s waits no longer. What it asked may arrive all the same, when that would change something. */
inline hang_up(s) {
    if
    :: late[s].kind == 0 && (asked[s].kind == stream || asked[s].kind == commit ||
                             asked[s].kind == promote) -> copy(late[s], asked[s])
    :: else
    fi;
    clear(asked[s]);
    forget_reply(s);
    owes[1 - s] = false
}
#define unheard(s) (asked[s].kind == 0 && reply[s].word == 0 && !owes[1 - s])

/* ---- What a host does with its lock ---- */

inline store(is_master, new_epoch, new_journal, new_base) {
#ifdef BREAK_ATOMIC
    here.master = is_master;
#endif
    d_step {
        here.master = is_master;
        here.epoch = new_epoch;
        here.journal = new_journal;
        here.base = new_base;
        promises()
    }
}

/* Leaves the word and how things stand there in `got`. */
inline ask(what, with_epoch, with_bits) {
    d_step { asked[me].kind = what; asked[me].epoch = with_epoch; asked[me].bits = with_bits }
    if
    :: d_step {
        reply[me].word != 0 ->
        got.word = reply[me].word;
        got.master = reply[me].master;
        got.epoch = reply[me].epoch;
        got.data = reply[me].data;
        forget_reply(me)
       }
    :: d_step { unheard(me) -> got.word = silence }
    :: d_step { faults > 0 -> faults--; hang_up(me); got.word = silence }
    fi
}

/* The newest snapshot of all goes to the other side; got.word is `yes` once that is known here. */
inline sync() {
    ask(look, 0, 0);
    if
    :: got.word == yes && (got.master || got.epoch > my_epoch || !begins(got.data, here.data)) ->
        d_step { doubt[me] = true; got.word = conflict }
    :: got.word == yes && !got.master && got.epoch <= my_epoch && begins(got.data, here.data) ->
        taken = here.data;
        ask(stream, my_epoch, taken);
        if
        :: got.word == yes -> ask(commit, my_epoch, taken)
        :: else
        fi;
        if
        :: got.word == yes -> d_step { here.sent = taken; acked = acked | taken }
        :: got.word == conflict -> doubt[me] = true
        :: else
        fi
    :: else
    fi
}

/* What is newer than the base is copied beside the filesystem, then it goes back there. */
inline rescue() {
#ifndef BREAK_RESCUE
    rescued = rescued | (here.data & ~here.base);
#endif
    d_step { here.data = here.base; here.sent = here.sent & here.base; promises() }
}

inline become_master(new_epoch) {
    store(true, new_epoch, promoted, 0);
    store(true, my_epoch, clean, 0)
}

inline step_down_alone(back_to) {
    store(false, my_epoch + 1, stepping_down, back_to)
    /* The journal does the rest. */
}

inline ask_to_promote() {
    ask(promote, my_epoch, here.base);
    if
#ifndef BREAK_NO_BASE
    :: got.word == no_base -> become_master(my_epoch + 1)
#endif
    :: got.word == yes && (got.master -> got.epoch >= my_epoch : got.epoch > my_epoch) ->
        store(false, my_epoch, clean, 0)
#ifdef BREAK_THAW
    :: got.word == silence -> store(true, my_epoch, clean, 0)
#endif
    :: else   /* again, later */
    fi
}

inline failover() {
    sync();
    if
    :: got.word == yes -> ask(check, my_epoch, here.sent)
    :: else
    fi;
    if
    :: got.word == yes ->
        store(true, my_epoch, freezing, 0);
        sync();
        if
#ifdef BREAK_JOURNAL
        :: got.word == yes -> store(false, my_epoch + 1, clean, here.sent); ask_to_promote()
#else
        :: got.word == yes -> store(false, my_epoch + 1, handed_over, here.sent)
#endif
        :: else -> store(true, my_epoch, clean, 0)
        fi
    :: else
    fi
}

#ifdef BREAK_ANSWER
#define is_right(of_peer) true
#else
#define is_right(of_peer) ((of_peer) > my_epoch)
#endif

/* A later epoch is right; so is the master of our own, when it lacks what we have. */
inline find_out() {
    doubt[me] = false;
    ask(roles, here.master * my_epoch, 0);
    if
    :: got.word == silence -> doubt[me] = true
#ifndef BREAK_REJOIN
    :: got.word == yes && got.master && (here.master -> is_right(got.epoch)
            : got.epoch >= my_epoch && !begins(here.data, got.data)) ->
        store(false, got.epoch, rejoining, common(here.data, got.data))
#endif
    :: else -> if
        :: here.journal == freezing -> store(true, my_epoch, clean, 0)
        :: else
        fi
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

#ifdef BREAK_STALE
#define is_news(question) (question.kind == promote && question.epoch != my_epoch)
#else
#define is_news(question) (question.kind == promote && question.epoch > my_epoch)
#endif
#define can_be_promoted (here.journal == clean || here.journal == handed_over)

inline accept(question, is_awaited) {
    busy[me] = true;
    copy(wish, question);
    owes[me] = is_awaited;
    clear(question)
}

#ifdef BREAK_BASE
#define has_base true
#else
#define has_base begins(wish.bits, here.data)
#endif

/* The other side stepped down, and wishes. */
inline take_over() {
    if
    :: has_base -> become_master(wish.epoch); got.word = yes
    :: else -> got.word = no_base
    fi;
    d_step {
        if
        :: owes[me] -> answer(got.word)
        :: else
        fi;
        owes[me] = false
    }
}

/* `resolve` looks first: it is for two masters of one epoch alone. */
inline resolve() {
    ask(roles, my_epoch, 0);
    if
    :: got.word == yes && got.master && got.epoch == my_epoch ->
        forced = true;
        if
        :: store(true, my_epoch + 2, clean, 0)
        :: step_down_alone(common(here.data, got.data))
        fi
    :: else
    fi
}

#define command(possible) atomic { commands > 0 && (possible) -> commands--; busy[me] = true }
#define by_force(possible) \
    atomic { commands > 0 && (possible) -> commands--; busy[me] = true; forced = true }
#define is_master (here.master && here.journal == clean)
/* Something to send, to record, or to find out. It asks who is master before it sends anything, and
 * about a split that is known no more. */
#define sync_is_due (is_master && !doubt[me] && !(two_masters && same_epoch) && !busy[peer] && \
    (here.data != disk[peer].data || here.sent != here.data || !same_epoch))

inline forget() {
    got.word = 0; got.master = false; got.epoch = 0; got.data = 0;
    clear(wish);
    taken = 0;
    busy[me] = false
}
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
        :: atomic { here.journal != clean || doubt[me] -> busy[me] = true }; go_on(); done()
        :: d_step { is_news(asked[peer]) && can_be_promoted -> accept(asked[peer], true) };
            take_over(); done()
        :: d_step { is_news(late[peer]) && can_be_promoted -> accept(late[peer], false) };
            take_over(); done()
        :: atomic { late[peer].kind == hand_over && is_master -> clear(late[peer]); busy[me] = true };
            failover(); done()
        :: atomic { sync_is_due -> busy[me] = true }; sync(); done()
        :: command(is_master); failover(); done()
        :: command(!here.master && late[me].kind == 0); late[me].kind = hand_over; done()
#ifndef PLANNED
        :: by_force(is_master); step_down_alone(here.sent); done()
#ifdef BREAK_EPOCH
        :: by_force(!here.master); become_master(my_epoch); done()
#else
        :: by_force(!here.master); become_master(my_epoch + 1); done()
#endif
#endif
#ifdef SPLIT
        :: command(is_master); resolve(); done()
#endif
        od
    } unless {
        d_step { cut[me] -> cut[me] = false; forget(); hang_up(me); owes[me] = false; doubt[me] = true }
    }
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

inline receive(what) {
    if
    :: here.master -> word = conflict
#ifdef BREAK_STREAM
    :: !here.master && to_rescue(me) -> here.data = what; word = yes
#else
    :: !here.master && to_rescue(me) -> word = busy_now
#endif
    :: !here.master && !to_rescue(me) && !begins(here.data, what) -> word = conflict
    :: else -> here.data = what; word = yes
    fi;
    promises()
}

/* A target that is behind in its epoch takes the master's. */
inline record(of_epoch, what) {
    if
    :: here.master || !begins(what, here.data) -> word = conflict
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
    :: question.kind == check ->
        word = (at_rest(me) && !here.master && here.epoch == question.epoch &&
                begins(question.bits, here.data) -> yes : busy_now)
    :: question.kind == stream && !busy[me] -> receive(question.bits)
    :: question.kind == commit && !busy[me] -> record(question.epoch, question.bits)
    :: else -> word = busy_now
    fi
}

proctype listener(bit me) {
    mtype:word word;
end:
    do
    :: d_step {
        asked[peer].kind != 0 && !is_news(asked[peer]) ->
        serve(asked[peer]);
        answer(word);
        clear(asked[peer]);
        word = 0
       }
    :: d_step {
        (late[peer].kind == stream || late[peer].kind == commit) && !busy[me] ->
        serve(late[peer]);
        clear(late[peer]);
        word = 0
       }
    od
}

/* ---- Everything else that happens ---- */

inline user_writes(s) {
    d_step {
        writes > 0 && writable(s) ->
        writes--;
        disk[s].data = disk[s].data | (written + 1);
        written = written | (written + 1)
    }
}

inline bad_luck(s) {
    if
    :: d_step { cuts > 0 && !cut[s] -> cuts--; cut[s] = true }
    :: d_step { late[s].kind != 0 -> clear(late[s]) }  /* lost for good */
    :: d_step { faults > 0 && late[s].kind == 0 && asked[s].kind == promote ->  /* comes twice */
        faults--; copy(late[s], asked[s]) }
    fi
}

/* Nothing is left to do: it has to be in order, with no word of the operator's. */
inline judge() {
    assert(settled);
    assert(split || (acked & ~(disk[master_side].data | rescued)) == 0);
    assert(split || forced || disk[master_side].data == written)
}

init {
    d_step {
        disk[0].journal = clean; disk[1].journal = clean;
        disk[0].epoch = 1; disk[1].epoch = 1;
        disk[0].master = true;
#ifdef SPLIT
        disk[1].master = true; disk[0].data = 1; disk[1].data = 2; written = 3;
#endif
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
