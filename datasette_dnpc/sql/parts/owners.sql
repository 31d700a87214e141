-- The app and executor of each of the candidates, as in the view span_app, but from the spans to their tasks: SQLite hands no
-- condition on many spans into that. An attempt at a manager's task is in no task of Parsl, but that task may be.
owners as materialized (
    select
        owned.id as span,
        coalesce(task_times.app, json_extract(managed.attributes, '$.category')) as app,
        iif(
            task_times.tries = 1 or owned.type glob '*.attempt',
            task_times.executor,
            coalesce(
                json_extract(owned.attributes, '$.executor'),
                iif(owned.type glob 'parsl.executor*', substr(owned.key, 1, instr(owned.key, '/') - 1), null),
                task_times.executor,
                (
                    select json_extract(managers.attributes, '$.executor')
                    from spans as managers
                    where managers.run = managed.run
                        and managers.type = (select id from span_types where name = replace(owned.type, '.task', '.manager'))
                        and managers.key = substr(managed.key, 1, instr(managed.key, '/') - 1)
                )
            )
        ) as executor
    from (
        select
            spans.id,
            spans.key,
            spans.attributes,
            span_types.name as type,
            iif(
                span_types.name in ('workqueue.task', 'taskvine.task', 'workqueue.attempt', 'taskvine.attempt'),
                (
                    select theirs.id
                    from spans as theirs
                    where theirs.run = spans.run
                        and theirs.type = (
                            select id from span_types as types
                            where types.name = replace(span_types.name, '.attempt', '.task')
                        )
                        and theirs.key = iif(
                            span_types.name glob '*.attempt', substr(spans.key, 1, instr(spans.key, '.') - 1), spans.key
                        )
                ),
                null
            ) as managed
        from candidates
        cross join spans on spans.id = candidates.id
        cross join span_types on span_types.id = spans.type
    ) as owned
    left join spans as managed on managed.id = owned.managed
    left join task_times on task_times.task = (
        select known.task
        from descendants
        cross join task_times as known on known.task = descendants.root
        where descendants.span = coalesce(managed.id, owned.id)
        limit 1
    )
    where task_times.task is not null or managed.id is not null
)
