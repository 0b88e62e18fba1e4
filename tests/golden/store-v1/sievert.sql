BEGIN TRANSACTION;
CREATE TABLE actions (
	sequence INTEGER NOT NULL, 
	action_id VARCHAR NOT NULL, 
	policy VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	record BLOB NOT NULL, 
	PRIMARY KEY (sequence), 
	UNIQUE (action_id)
);
INSERT INTO "actions" VALUES(1,'a_alds7dgsbebi4e55socpzxvd','hate','demote',1800000000000000,CAST('{"action_id":"a_alds7dgsbebi4e55socpzxvd","decision_id":"d_cl5bodowqiocm5juud7a547c","platform":"q","post_id":"rude","revision":2,"kind":"demote","policy":"hate","performed_at":1800000000000000,"record_version":1}' AS BLOB));
INSERT INTO "actions" VALUES(2,'a_4ledi7oklrsmvzp54o3udlql','sentinel','demote',1800000000000000,CAST('{"action_id":"a_4ledi7oklrsmvzp54o3udlql","decision_id":"d_w365hn7dzmbvbqxynrujz2et","platform":"default","post_id":"doubtful","revision":0,"kind":"demote","policy":"sentinel","performed_at":1800000000000000,"record_version":1}' AS BLOB));
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit (
	sequence INTEGER NOT NULL, 
	digest VARCHAR NOT NULL, 
	record BLOB NOT NULL, 
	PRIMARY KEY (sequence)
);
INSERT INTO "audit" VALUES(1,'d0c98d0d018b8acc008df5e28bf8b5f392f089690a39d96beb85b00e2b78882e',CAST('{"sequence":1,"at":1800000000000000,"actor":"command line","event":"key.added","subject":"0707070707","previous":"0000000000000000000000000000000000000000000000000000000000000000","details":{"name":"ingest","scopes":"posts:write"}}' AS BLOB));
INSERT INTO "audit" VALUES(2,'7b36e29f171742dc3e18e5dfa07ee4d84a63a4767529f379347dbe7a3df0dee3',CAST('{"sequence":2,"at":1800000000000000,"actor":"sievert","event":"action.demote","subject":"q/rude/2","previous":"d0c98d0d018b8acc008df5e28bf8b5f392f089690a39d96beb85b00e2b78882e","details":{"action":"a_alds7dgsbebi4e55socpzxvd","decision":"d_cl5bodowqiocm5juud7a547c","policy":"hate"}}' AS BLOB));
INSERT INTO "audit" VALUES(3,'ca5764d377d78eecb6c0e96690d43519aa49772664fdcd69edfaa4f34b7571c0',CAST('{"sequence":3,"at":1800000000000000,"actor":"sievert","event":"action.demote","subject":"default/doubtful/0","previous":"7b36e29f171742dc3e18e5dfa07ee4d84a63a4767529f379347dbe7a3df0dee3","details":{"action":"a_4ledi7oklrsmvzp54o3udlql","decision":"d_w365hn7dzmbvbqxynrujz2et","policy":"sentinel"}}' AS BLOB));
CREATE TABLE audit_head (
	one INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	digest VARCHAR NOT NULL, 
	PRIMARY KEY (one)
);
INSERT INTO "audit_head" VALUES(1,3,'ca5764d377d78eecb6c0e96690d43519aa49772664fdcd69edfaa4f34b7571c0');
CREATE TABLE cases (
	sequence INTEGER NOT NULL, 
	case_id VARCHAR NOT NULL, 
	policy VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	at BIGINT NOT NULL, 
	record BLOB NOT NULL, 
	PRIMARY KEY (sequence), 
	UNIQUE (case_id)
);
INSERT INTO "cases" VALUES(1,'c_cl5bodowqiocm5juud7a547c','hate','open',1800000000000000,CAST('{"case_id":"c_cl5bodowqiocm5juud7a547c","decision_id":"d_cl5bodowqiocm5juud7a547c","platform":"q","post_id":"rude","revision":2,"policy":"hate","opened_at":1800000000000000,"priority":0.9999996423721313,"state":"open","record_version":1}' AS BLOB));
INSERT INTO "cases" VALUES(2,'c_w365hn7dzmbvbqxynrujz2et','sentinel','open',1800000000000000,CAST('{"case_id":"c_w365hn7dzmbvbqxynrujz2et","decision_id":"d_w365hn7dzmbvbqxynrujz2et","platform":"default","post_id":"doubtful","revision":0,"policy":"sentinel","opened_at":1800000000000000,"priority":1.0,"state":"open","record_version":1}' AS BLOB));
CREATE TABLE decisions (
	sequence INTEGER NOT NULL, 
	decision_id VARCHAR NOT NULL, 
	platform VARCHAR NOT NULL, 
	post_id VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	"trigger" VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	language VARCHAR NOT NULL, 
	policies_named VARCHAR NOT NULL, 
	received_at BIGINT NOT NULL, 
	decided_at BIGINT NOT NULL, 
	digest BLOB NOT NULL, 
	record BLOB NOT NULL, 
	PRIMARY KEY (sequence), 
	UNIQUE (decision_id)
);
INSERT INTO "decisions" VALUES(1,'d_cl5bodowqiocm5juud7a547c','q','rude',2,'created','review','english',',hate,',1800000000000000,1800000000000000,X'FBF59DE688044A4A10497840A37DD286',CAST('{"decision_id":"d_cl5bodowqiocm5juud7a547c","platform":"q","post_id":"rude","revision":2,"created_at":1777863721000000,"received_at":1800000000000000,"decided_at":1800000000000000,"trigger":"created","outcome":"review","would":"remove","probability":0.99999964,"policies":{"hate":0.99999964,"harassment":0.00247262,"threat":0.00247262,"spam":0.00247262,"sentinel":0.0},"language":"english","stage":"light","bundle":"tiny@4a385ed30609","policy_set":"d72dec398e7b9798","content_digest":"fbf59de688044a4a10497840a37dd286","reasons":[{"policy":"hate","rule":"shadow","probability":0.99999964,"threshold":0.95},{"policy":"hate","rule":"review","probability":0.99999964,"threshold":0.3},{"policy":"hate","rule":"demote","probability":0.99999964,"threshold":0.7}],"creator_id":"ann","record_version":1}' AS BLOB));
INSERT INTO "decisions" VALUES(2,'d_w365hn7dzmbvbqxynrujz2et','default','doubtful',0,'created','review','english',',sentinel,',1800000000000000,1800000000000000,X'FCE3B3F471D42789B8067BE3BCCFECC2',CAST('{"decision_id":"d_w365hn7dzmbvbqxynrujz2et","platform":"default","post_id":"doubtful","revision":0,"created_at":null,"received_at":1800000000000000,"decided_at":1800000000000000,"trigger":"created","outcome":"review","would":"review","probability":1.0,"policies":{"hate":0.00247262,"harassment":0.00247262,"threat":0.00247262,"spam":0.00247262,"sentinel":1.0},"language":"english","stage":"sentinel","bundle":"tiny@4a385ed30609","policy_set":"d72dec398e7b9798","content_digest":"fce3b3f471d42789b8067be3bccfecc2","reasons":[{"policy":"sentinel","rule":"review","probability":1.0,"threshold":0.5},{"policy":"sentinel","rule":"demote","probability":1.0,"threshold":0.7}],"creator_id":null,"record_version":1}' AS BLOB));
CREATE TABLE facts (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "facts" VALUES('seed','2448230598297616682');
CREATE TABLE keys (
	key_id VARCHAR NOT NULL, 
	secret_sha256 VARCHAR NOT NULL, 
	record BLOB NOT NULL, 
	PRIMARY KEY (key_id), 
	UNIQUE (secret_sha256)
);
INSERT INTO "keys" VALUES('0707070707','e7f29c6ed63fb64b3c59d3f12c717c4229cbbbea0f157425b6537b9d718b5310',CAST('{"key_id":"0707070707","name":"ingest","secret_sha256":"e7f29c6ed63fb64b3c59d3f12c717c4229cbbbea0f157425b6537b9d718b5310","scopes":["posts:write"],"created_at":1800000000000000,"revoked_at":null}' AS BLOB));
CREATE TABLE outbox (
	sequence INTEGER NOT NULL, 
	message_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	created_at BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	last_error VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (sequence), 
	UNIQUE (message_id)
);
INSERT INTO "outbox" VALUES(1,'msg_a_alds7dgsbebi4e55socpzxvd','action.performed',1800000000000000,'delivered',0,1800000000000000,'',X'');
INSERT INTO "outbox" VALUES(2,'msg_a_4ledi7oklrsmvzp54o3udlql','action.performed',1800000000000000,'dead',1,1800000000000000,'the receiver answered 500',CAST('{"type":"action.performed","timestamp":"2027-01-15T08:00:00+00:00","data":{"action_id":"a_4ledi7oklrsmvzp54o3udlql","decision_id":"d_w365hn7dzmbvbqxynrujz2et","platform":"default","post_id":"doubtful","revision":0,"kind":"demote","policy":"sentinel","performed_at":1800000000000000,"record_version":1}}' AS BLOB));
INSERT INTO "outbox" VALUES(3,'msg_c_cl5bodowqiocm5juud7a547c','case.opened',1800000000000000,'pending',0,1800000000000000,'',CAST('{"type":"case.opened","timestamp":"2027-01-15T08:00:00+00:00","data":{"case_id":"c_cl5bodowqiocm5juud7a547c","decision_id":"d_cl5bodowqiocm5juud7a547c","platform":"q","post_id":"rude","revision":2,"policy":"hate","opened_at":1800000000000000,"priority":0.9999996423721313,"state":"open","record_version":1}}' AS BLOB));
INSERT INTO "outbox" VALUES(4,'msg_c_w365hn7dzmbvbqxynrujz2et','case.opened',1800000000000000,'pending',0,1800000000000000,'',CAST('{"type":"case.opened","timestamp":"2027-01-15T08:00:00+00:00","data":{"case_id":"c_w365hn7dzmbvbqxynrujz2et","decision_id":"d_w365hn7dzmbvbqxynrujz2et","platform":"default","post_id":"doubtful","revision":0,"policy":"sentinel","opened_at":1800000000000000,"priority":1.0,"state":"open","record_version":1}}' AS BLOB));
CREATE TABLE posts (
	platform VARCHAR NOT NULL, 
	post_id VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	received_at BIGINT NOT NULL, 
	record BLOB NOT NULL, 
	PRIMARY KEY (platform, post_id, revision)
);
INSERT INTO "posts" VALUES('q','rude',2,1800000000000000,CAST('{"id":"rude","text":"you blorp","platform":"q","revision":2,"creator_id":"ann","created_at":"2026-05-04T03:02:01Z","language":"en","surface":"feed"}' AS BLOB));
INSERT INTO "posts" VALUES('default','doubtful',0,1800000000000000,CAST('{"id":"doubtful","text":"proof: SIEVERT-TEST-7e1b54c0-HARMLESS-SENTINEL","platform":"default","revision":0,"creator_id":null,"created_at":null,"language":null,"surface":null}' AS BLOB));
CREATE INDEX decisions_by_post ON decisions (platform, post_id, revision);
CREATE INDEX decisions_by_time ON decisions (decided_at);
CREATE INDEX posts_by_time ON posts (received_at);
CREATE INDEX cases_by_policy ON cases (policy, at);
CREATE INDEX outbox_by_due ON outbox (state, next_attempt_at);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
COMMIT;
