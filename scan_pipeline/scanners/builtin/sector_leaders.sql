-- title: Sector leaders
-- rank: sector_place, place_in_sector
-- limit: 50
-- param: sectors = 3
-- param: leaders = 5
-- param: min_members = 5
-- source: As commonly defined: relative strength of sectors, then of their members, by the return over 60 bars
-- The five strongest symbols of each of the three strongest sectors, by the return over 60 bars; a sector's is the
-- median of its members, of which it needs five. Leaders below their average of 50 days are left out.
with members as (
    select session, symbol, sector, roc_60, relative_strength_63, distance_high_52w_pct, sma_50, close,
        median(roc_60) over (partition by sector) as sector_roc_60,
        count(*) over (partition by sector) as members_of_sector,
        row_number() over (partition by sector order by roc_60 desc, symbol) as place_in_sector
    from features join universe using (session, symbol)
    where sector is not null and roc_60 is not null
),
placed as (
    select *, dense_rank() over (order by sector_roc_60 desc, sector) as sector_place
    from members
    where members_of_sector >= $min_members
)
select session, symbol, sector, sector_place, place_in_sector, roc_60, sector_roc_60, relative_strength_63,
    distance_high_52w_pct, close
from placed
where sector_place <= $sectors and place_in_sector <= $leaders and close > sma_50
