//! Functions without effects, which tell nothing of the server and take no time of their own.

/// Whether a function may be called without being listed by whoever configured the constraint.
pub(super) fn is_common(name: &str) -> bool {
    COMMON.contains(&format!(" {name} "))
}

/// Not here: what sleeps, repeats, reads files, opens connections, evaluates text, or tells of the
/// server, its users and settings.
const COMMON: &str = " \
    abs any_value array_agg array_length avg bit_length bool_and bool_or cast cbrt ceil ceiling char_length \
    character_length coalesce concat concat_ws contains corr count count_if countif covar_pop covar_samp cume_dist \
    current_date current_time current_timestamp date date_add date_diff date_format date_part date_sub date_trunc \
    dateadd datediff datename datepart datetime day dayname dayofmonth dayofweek dayofyear degrees dense_rank \
    ends_with eomonth every exp extract first_value floor format_date format_timestamp from_unixtime getdate greatest \
    group_concat grouping hour ifnull iif initcap instr isnull json_array_length json_extract json_extract_path_text \
    json_value julianday lag last_day last_value lcase lead least left len length ln localtime localtimestamp locate \
    log log10 log2 lower ltrim make_date max median min minute mod mode month monthname now nth_value ntile nullif nvl \
    octet_length percent_rank percentile_cont percentile_disc position pow power quarter radians rank \
    regr_slope replace reverse right round row_number rtrim second sign split_part sqrt starts_with stddev stddev_pop \
    stddev_samp stdev strftime string_agg strpos substr substring sum time timestamp timestampdiff to_char to_date \
    to_number to_timestamp total trim trunc truncate try_cast typeof ucase unix_timestamp upper var_pop var_samp \
    variance week weekday weekofyear year yearweek ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_or_tells_more_is_not_common() {
        assert!(is_common("count") && is_common("json_extract"));
        for name in [
            "",
            " ",
            "sleep",
            "pg_sleep",
            "benchmark",
            "waitfor",
            "randomblob",
            "repeat",
            "generate_series",
            "version",
            "current_user",
            "user",
            "database",
            "current_setting",
            "set_config",
            "load_file",
            "load_extension",
            "pg_read_file",
            "lo_import",
            "read_csv",
            "query_to_xml",
            "dblink",
            "xp_cmdshell",
            "openrowset",
            "exec",
            "utl_http.request",
            "sys_eval",
            "extractvalue",
            "updatexml",
            "char",
            "chr",
            "count sum",
        ] {
            assert!(!is_common(name), "{name}");
        }
    }
}
