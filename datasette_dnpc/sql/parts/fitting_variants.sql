-- The variants that may be meant: the one asked for, else those of the root type.
fitting as materialized (
    select variants.id, span_types.name as root_type, variants.spans, variants.events
    from variants
    join span_types on span_types.id = variants.root_type
    where iif(
        nullif(:variant, '') is null,
        span_types.name = (select type from shown_root_type),
        variants.id = cast(:variant as integer) and coalesce(:root_type, '') in ('', span_types.name)
    )
)
