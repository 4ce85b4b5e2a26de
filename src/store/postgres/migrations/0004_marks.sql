-- What a start must know of these tables as a whole.
CREATE TABLE mark (
    name            TEXT COLLATE "C" PRIMARY KEY,        -- cello: which Cello the referral events go to
    value           TEXT COLLATE "C" NOT NULL,           -- of cello: sandbox, production, or local for the stand-in
    at              BIGINT           NOT NULL            -- milliseconds: when
);
