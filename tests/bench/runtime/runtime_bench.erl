%% The rows of runtime_bench.c in Erlang, in the same shape: `erl ... -run runtime_bench main ROW
%% [OPERATIONS]` prints the same line of JSON. What is idiomatic is kept (spawn_link, `!`, receive,
%% gen_server); what would slow Erlang down without need is not done: no copies of large terms, no
%% rand module, no code server calls, no logging.
-module(runtime_bench).
-export([main/1, bare/0, last/1, node_loop/1, roam/0, sink/0, init/1, handle_call/3, handle_cast/2]).
-behaviour(gen_server).

-define(BATCH_MESSAGES, 256).
-define(BATCHES_UNDER_WAY, 16).

main([Row | Rest]) ->
    Operations =
        case Rest of
            [] -> 0;
            [Text] -> list_to_integer(Text)
        end,
    print(Row, row(Row, Operations)),
    erlang:halt(0).

print(Row, {N, Ns, Bytes}) ->
    PerOne =
        case N of
            0 -> "";
            _ -> io_lib:format("\"ns\":~.3f,", [Ns / N])
        end,
    {CpuMs, _} = statistics(runtime),
    io:format(
        "{\"row\":\"~s\",\"operations\":~b,\"elapsed_ns\":~b,~s\"cpu_ns\":~b,\"bytes\":~.3f}~n",
        [Row, N, Ns, PerOne, CpuMs * 1000000, float(Bytes)]
    ).

row("spawn", Operations) -> spawn_reused(or_else(Operations, 300000));
row("spawn-fresh", Operations) -> spawn_fresh(or_else(Operations, 300000));
row("memory", _) -> memory();
row("send", Operations) -> send(or_else(Operations, 5000000));
row("ring", Operations) -> ring(or_else(Operations, 5000000));
row("million", Operations) -> million(or_else(Operations, 1000000));
row("mesh-one-way", Operations) -> mesh(or_else(Operations, 5000000), false);
row("mesh-both", Operations) -> mesh(or_else(Operations, 3000000), true);
row("call", Operations) -> call(or_else(Operations, 1000000));
row("timer", Operations) -> timer(or_else(Operations, 2000000));
row("timed", Operations) -> timer(or_else(Operations, 2000000)).

or_else(0, Default) -> Default;
or_else(N, _) -> N.

now_ns() -> erlang:monotonic_time(nanosecond).

%% The same 32 bits as random_next and random_below in C; small integers all the way.
random_next(R) -> (R * 1664525 + 1013904223) band 16#ffffffff.
random_below(R, Count) -> ((R bsr 8) * Count) bsr 24.

repeat(0, _) ->
    ok;
repeat(N, Do) ->
    Do(),
    repeat(N - 1, Do).

%% --- births ---

bare() ->
    receive
        stop -> ok
    end.

%% Says that it has begun: with one scheduler those spawned before it have too.
last(Parent) ->
    Parent ! begun,
    bare().

spawn_many(1, Pids) -> [spawn_link(?MODULE, last, [self()]) | Pids];
spawn_many(N, Pids) -> spawn_many(N - 1, [spawn_link(?MODULE, bare, []) | Pids]).

spawn_timed(Count) ->
    Begin = now_ns(),
    Pids = spawn_many(Count, []),
    receive
        begun -> ok
    end,
    {now_ns() - Begin, Pids}.

spawn_reused(Operations) ->
    Alive = 100000,
    Rounds = Operations div Alive,
    process_flag(trap_exit, true),
    {Rounds * Alive, spawn_rounds(Rounds, Alive, 0), 0}.

spawn_rounds(0, _, Ns) ->
    Ns;
spawn_rounds(Rounds, Alive, Ns) ->
    {Elapsed, Pids} = spawn_timed(Alive),
    [Pid ! stop || Pid <- Pids],
    [receive {'EXIT', _, normal} -> ok end || _ <- Pids],
    erlang:garbage_collect(),
    spawn_rounds(Rounds - 1, Alive, Ns + Elapsed).

spawn_fresh(Count) ->
    {Ns, _} = spawn_timed(Count),
    {Count, Ns, 0}.

%% What the runtime says that 400,000 more of them take; the list of their pids, 16 B each, is the
%% parent's and not counted.
memory() ->
    {_, First} = spawn_timed(100000),
    erlang:garbage_collect(),
    Before = erlang:memory(processes_used),
    {_, More} = spawn_timed(400000),
    erlang:garbage_collect(),
    After = erlang:memory(processes_used),
    Listed = 16 * length(More),
    true = length(First) > 0,
    {0, 0, (After - Before - Listed) / 400000}.

%% --- messages on one core ---

%% {note} and {batch} are counted, {hop} and {roam} go on.
node_loop(Next) ->
    receive
        {note, To} when is_pid(To) ->
            To ! done,
            node_loop(Next);
        note ->
            node_loop(Next);
        {next, Pid} ->
            node_loop(Pid);
        {hop, 0, To} ->
            To ! done,
            node_loop(Next);
        {hop, Hops, To} ->
            Next ! {hop, Hops - 1, To},
            node_loop(Next)
    end.

spawn_nodes(Count) ->
    First = spawn(?MODULE, node_loop, [none]),
    Pids = spawn_nodes(Count - 1, First, [First]),
    First ! {next, hd(Pids)},
    lists:reverse(Pids).

spawn_nodes(0, _, Pids) ->
    Pids;
spawn_nodes(Count, Previous, Pids) ->
    Pid = spawn(?MODULE, node_loop, [Previous]),
    spawn_nodes(Count - 1, Pid, [Pid | Pids]).

%% The last message of a round is answered, so that rounds do not pile up.
send(Operations) ->
    Pids = spawn_nodes(1000),
    Rounds = Operations div 1000,
    Begin = now_ns(),
    repeat(Rounds, fun() -> send_round(Pids) end),
    {Rounds * 1000, now_ns() - Begin, 0}.

send_round([Last]) ->
    Last ! {note, self()},
    receive
        done -> ok
    end;
send_round([Pid | Pids]) ->
    Pid ! note,
    send_round(Pids).

ring(Hops) ->
    [First | _] = spawn_nodes(1000),
    Begin = now_ns(),
    First ! {hop, Hops, self()},
    receive
        done -> ok
    end,
    {Hops, now_ns() - Begin, 0}.

%% The pids are a persistent term: read without a copy.
roam() ->
    receive
        {0, _, To} ->
            To ! done,
            roam();
        {Hops, R, To} ->
            Next = random_next(R),
            Pids = persistent_term:get(pids),
            element(random_below(Next, tuple_size(Pids)) + 1, Pids) ! {Hops - 1, Next, To},
            roam()
    end.

million(Operations) ->
    Messages = 1000,
    Pids = list_to_tuple([spawn(?MODULE, roam, []) || _ <- lists:seq(1, 1000000)]),
    persistent_term:put(pids, Pids),
    Hops = Operations div Messages,
    Begin = now_ns(),
    [start_roaming(I, Hops, Pids) || I <- lists:seq(0, Messages - 1)],
    [receive done -> ok end || _ <- lists:seq(1, Messages)],
    {Hops * Messages, now_ns() - Begin, 0}.

start_roaming(I, Hops, Pids) ->
    R = random_next((I * 2654435761) band 16#ffffffff),
    element(random_below(R, tuple_size(Pids)) + 1, Pids) ! {Hops, R, self()}.

%% --- messages between cores ---

%% The last of a batch carries who wants to know.
sink() ->
    receive
        note ->
            sink();
        {batch, From} ->
            From ! ack,
            sink()
    end.

mesh(Operations, IsBoth) ->
    Batches = Operations div ?BATCH_MESSAGES,
    Self = self(),
    Sinks = [spawn_opt(?MODULE, sink, [], [{scheduler, Core}]) || Core <- [2, 1]],
    Sides =
        case IsBoth of
            true -> [1, 2];
            false -> [1]
        end,
    Drivers = [
        spawn_opt(
            fun() ->
                receive
                    go -> drive(lists:nth(Core, Sinks), Batches, ?BATCHES_UNDER_WAY)
                end,
                Self ! done
            end,
            [{scheduler, Core}]
        )
     || Core <- Sides
    ],
    Begin = now_ns(),
    [Driver ! go || Driver <- Drivers],
    [receive done -> ok end || _ <- Drivers],
    {Batches * ?BATCH_MESSAGES * length(Sides), now_ns() - Begin, 0}.

drive(_, 0, ?BATCHES_UNDER_WAY) ->
    ok;
drive(To, Batches, Window) when Batches =:= 0; Window =:= 0 ->
    receive
        ack -> drive(To, Batches, Window + 1)
    end;
drive(To, Batches, Window) ->
    send_batch(To, ?BATCH_MESSAGES),
    receive
        ack -> drive(To, Batches - 1, Window)
    after 0 -> drive(To, Batches - 1, Window - 1)
    end.

send_batch(To, 1) ->
    To ! {batch, self()};
send_batch(To, N) ->
    To ! note,
    send_batch(To, N - 1).

%% --- timers ---

%% As in C: 100,000 others are armed, 1,000 under way in turn.
timer(Operations) ->
    Self = self(),
    {R1, _} = arm_many(100000, Self, 1, []),
    {R2, Refs} = arm_many(1000, Self, R1, []),
    Begin = now_ns(),
    rearm_rounds(Operations div 1000, Self, R2, Refs),
    {Operations, now_ns() - Begin, 0}.

arm_many(0, _, R, Refs) ->
    {R, Refs};
arm_many(N, To, R, Refs) ->
    Next = random_next(R),
    Ref = erlang:send_after(1000 + random_below(Next, 60000), To, tick),
    arm_many(N - 1, To, Next, [Ref | Refs]).

rearm_rounds(0, _, _, _) ->
    ok;
rearm_rounds(Rounds, To, R, Refs) ->
    {Next, New} = rearm(Refs, To, R, []),
    rearm_rounds(Rounds - 1, To, Next, New).

rearm([], _, R, New) ->
    {R, New};
rearm([Ref | Refs], To, R, New) ->
    erlang:cancel_timer(Ref),
    Next = random_next(R),
    rearm(Refs, To, Next, [erlang:send_after(1000 + random_below(Next, 60000), To, tick) | New]).

%% --- calls ---

call(Operations) ->
    {ok, Server} = gen_server:start_link(?MODULE, 0, []),
    Begin = now_ns(),
    repeat(Operations, fun() -> gen_server:call(Server, add) end),
    {Operations, now_ns() - Begin, 0}.

init(State) -> {ok, State}.
handle_call(add, _From, Count) -> {reply, Count + 1, Count + 1}.
handle_cast(_, Count) -> {noreply, Count}.
