/* The rows of test_params.c: {before, phase, text, answers, result, what holds after}.
 *
 * In texts and answers '|' stands for the NUL behind each pair. "before" is what the
 * initiator said earlier in the same login, in the operational stage unless it begins with
 * "S:" (security stage). Login texts of open-iscsi, libiscsi (QEMU's, too) are those that
 * their sources build; iPXE's, Windows' and VMware's have the shape that they are known for. */
#pragma once

#include "target/iscsi/params.h"

#define SEC   PARAMS_LOGIN_SECURITY
#define OPER  PARAMS_LOGIN_OPERATIONAL
#define FULL  PARAMS_FULL_FEATURE
#define SMALL 16u
#define OK    PARAMS_OK
#define BAD   PARAMS_BAD

#define INI    "iqn.2005-03.org.open-iscsi:4f2a"
#define TGT    "iqn.2026-11.io.ringlun:disk"
#define X16    "xxxxxxxxxxxxxxxx"
#define X64    X16 X16 X16 X16
#define X255   X64 X64 X64 X16 X16 X16 "xxxxxxxxxxxxxxx"
#define DISCOV "SessionType=Discovery|"

static const struct params_offer usual = {
	.MaxRecvDataSegmentLength = 262144,
	.MaxBurstLength = 1048576,
	.FirstBurstLength = 65536,
	.MaxOutstandingR2T = 8,
	.InitialR2T = false,
	.ImmediateData = true,
};

static const struct params_offer small = {
	.MaxRecvDataSegmentLength = 8192,
	.MaxBurstLength = 16384,
	.FirstBurstLength = 4096,
	.MaxOutstandingR2T = 1,
	.InitialR2T = true,
	.ImmediateData = false,
};

struct row {
	const char *before;
	unsigned phase; /* | SMALL: against our small offer */
	const char *text, *answers;
	enum params_result result;
	const char *holds; /* "Field=value Field=value" */
};

static const struct row rows[] = {
	/* --- who logs in: InitiatorName 13.5, TargetName 13.4, SessionType 13.21 --- */
	{ 0, SEC, "InitiatorName=" INI "|", "", OK, "InitiatorName=" INI },
	{ 0, OPER, "InitiatorName=" INI "|", "", OK, "InitiatorName=" INI },
	{ 0, SEC, "InitiatorName=IQN.2005-03.org.Open-iSCSI:4F2A|", "", OK, "InitiatorName=" INI },
	{ 0, SEC, "InitiatorName=eui.02004567A425678D|", "", OK,
	  "InitiatorName=eui.02004567a425678d" },
	{ 0, SEC, "InitiatorName=naa.52004567BA64678D|", "", OK,
	  "InitiatorName=naa.52004567ba64678d" },
	{ 0, SEC, "InitiatorName=naa.62004567BA64678D0123456789ABCDEF|", "", OK, 0 },
	{ 0, SEC, "InitiatorName=iqn.1991-05.com.microsoft:my_host|", "", OK, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.ex\xc3\xa4mple:d\xc3\xb6|", "", OK, 0 },
	{ 0, SEC, "InitiatorName=|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=host|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.:x|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.20x1-04.com|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001/04.com|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=eui.02004567A425678|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=eui.02004567A425678DF|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=eui.02004567A425678G|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=naa.52004567BA64678D0|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:a b|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:a,b|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:a/../b|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\x01|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\n|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\x7f|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\xc3|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\xc0\xaf|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\xe0\x80\xaf|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04.com.example:\xed\xa0\x80|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=iqn.2001-04." X64 X64 X64 X16 "xxx|", "", OK, 0 },   /* 223 */
	{ 0, SEC, "InitiatorName=iqn.2001-04." X64 X64 X64 X16 "xxxx|", "", BAD, 0 }, /* 224 */
	{ 0, SEC, "InitiatorName=" INI "|InitiatorName=" INI "|", "", OK, 0 },
	{ 0, SEC, "InitiatorName=" INI "|InitiatorName=" INI "5|", "", BAD, 0 },
	{ "S:InitiatorName=" INI "|", OPER, "InitiatorName=" INI "|", "", OK, 0 },
	{ "S:InitiatorName=" INI "|", OPER, "InitiatorName=" INI "b|", "", BAD, 0 },
	{ 0, FULL, "InitiatorName=" INI "|", "", BAD, 0 },
	{ 0, SEC, "TargetName=IQN.2026-11.io.ringlun:DISK|", "", OK, "TargetName=" TGT },
	{ 0, SEC, "TargetName=disk|", "", BAD, 0 },
	{ "TargetName=" TGT "|", OPER, "TargetName=" TGT "2|", "", BAD, 0 },
	{ 0, FULL, "TargetName=" TGT "|", "", BAD, 0 },
	{ 0, SEC, "SessionType=Normal|", "", OK, "discovery=0" },
	{ 0, SEC, DISCOV, "", OK, "discovery=1" },
	{ 0, SEC, "SessionType=discovery|", "", BAD, 0 },
	{ 0, SEC, "SessionType=|", "", BAD, 0 },
	{ 0, SEC, "SessionType=Normal|SessionType=Discovery|", "", BAD, 0 },
	{ "S:" DISCOV, OPER, "SessionType=Normal|", "", BAD, "discovery=1" },
	{ "S:" DISCOV, OPER, DISCOV, "", OK, "discovery=1" },
	{ 0, FULL, "SessionType=Normal|", "", BAD, 0 },
	{ 0, SEC, "InitiatorAlias=web 7|", "", OK, "InitiatorAlias=web" },
	{ 0, SEC, "InitiatorAlias=|", "", OK, "InitiatorAlias=" },
	{ 0, SEC, "InitiatorAlias=a\x1b[31m\nb|", "", OK, "InitiatorAlias=a?[31m?b" },
	{ 0, SEC, "InitiatorAlias=\xe4\xf6|", "", OK, "InitiatorAlias=??" },
	{ 0, SEC, "InitiatorAlias=\xc3\xa4|", "", OK, "InitiatorAlias=\xc3\xa4" },
	{ 0, SEC, "InitiatorAlias=" X255 "|", "", OK, "InitiatorAlias=" X255 },
	{ 0, SEC, "InitiatorAlias=" X255 "x|", "", BAD, "InitiatorAlias=" },
	{ 0, SEC, "InitiatorAlias=" X64 "," X255 "|", "", BAD, "InitiatorAlias=" },
	{ 0, SEC, "InitiatorName=" INI "," X255 "|", "", BAD, 0 },
	{ 0, FULL, "InitiatorAlias=new|", "", OK, "InitiatorAlias=new" },
	{ "InitiatorAlias=old|", FULL, "InitiatorAlias=new|", "", OK, "InitiatorAlias=new" },
	{ 0, SEC, "TargetAlias=x|", "", BAD, 0 },
	{ 0, OPER, "TargetAddress=10.0.0.1:3260,1|", "", BAD, 0 },
	{ 0, OPER, "TargetPortalGroupTag=1|", "", BAD, 0 },
	{ 0, FULL, "TargetAddress=10.0.0.1:3260,1|", "", BAD, 0 },
	{ 0, OPER, "X#NodeArchitecture=Linux,x86|", "", OK, 0 }, /* 13.26 */

	/* --- AuthMethod 12.1 --- */
	{ 0, SEC, "AuthMethod=None|", "", OK, "auth_offered=1 auth_none=1" },
	{ 0, SEC, "AuthMethod=CHAP,None|", "", OK, "auth_offered=1 auth_none=1" },
	{ 0, SEC, "AuthMethod=KRB5,SRP,CHAP,None|", "", OK, "auth_none=1" },
	{ 0, SEC, "AuthMethod=CHAP|", "", OK, "auth_offered=1 auth_none=0" },
	{ 0, SEC, "AuthMethod=NoneSuch,xNone|", "", OK, "auth_none=0" },
	{ 0, SEC, "AuthMethod=" X255 "," X255 ",None|", "", OK, "auth_none=1" },
	{ 0, SEC, "AuthMethod=" X255 "x,None|", 0, BAD, "auth_offered=0" },
	{ 0, SEC, "AuthMethod=|", "", OK, "auth_offered=1 auth_none=0" },
	{ 0, SEC, "AuthMethod=None|AuthMethod=None|", 0, BAD, 0 },
	{ 0, OPER, "AuthMethod=None|", "", BAD, "auth_offered=0" },
	{ 0, FULL, "AuthMethod=None|", "AuthMethod=Reject|", OK, "auth_offered=0" },
	{ 0, SEC, "AuthMethod=CHAP,None|", "", OK, "auth_chap=1" },
	{ 0, SEC, "AuthMethod=KRB5,None|", "", OK, "auth_chap=0 auth_none=1" },
	/* login_security.c judges their values */
	{ 0, SEC, "CHAP_A=5|", "", OK, 0 },
	{ 0, SEC, "CHAP_N=u|CHAP_R=0x" X255 X255 X255 "|CHAP_I=1|CHAP_C=0b" X255 "|", "", OK, 0 },
	{ 0, SEC, "CHAP_N=" X255 "x|", "", BAD, 0 },
	{ 0, SEC, "CHAP_A=5|CHAP_A=5|", "", BAD, 0 },
	{ "S:CHAP_A=5|", SEC, "CHAP_A=7|", "", BAD, 0 },
	{ "S:CHAP_R=0x00|", SEC, "CHAP_R=0x01|", "", BAD, 0 },
	{ 0, OPER, "CHAP_N=user|", "", BAD, 0 },
	{ 0, FULL, "CHAP_C=0x00|", "CHAP_C=Reject|", OK, 0 },

	/* --- stages: section 12 allows few keys in the security stage --- */
	{ 0, SEC, "HeaderDigest=None|", "", BAD, 0 },
	{ 0, SEC, "MaxBurstLength=65536|", "", BAD, "MaxBurstLength=262144" },
	{ 0, SEC, "SendTargets=All|", "", BAD, "send_targets=0" },
	{ 0, OPER, "SendTargets=All|", "", BAD, "send_targets=0" },
	{ 0, FULL, "MaxBurstLength=65536|", "MaxBurstLength=Reject|", OK, "MaxBurstLength=262144" },
	{ 0, FULL, "HeaderDigest=None|", "HeaderDigest=Reject|", OK, 0 },
	{ 0, FULL, "ErrorRecoveryLevel=2|", "ErrorRecoveryLevel=Reject|", OK, 0 },

	/* --- digests 13.1 --- */
	{ 0, OPER, "HeaderDigest=None|DataDigest=None|", "HeaderDigest=None|DataDigest=None|", OK,
	  "header_digest=0 data_digest=0" },
	{ 0, OPER, "HeaderDigest=CRC32C,None|", "HeaderDigest=CRC32C|", OK,
	  "header_digest=1 data_digest=0" },
	{ 0, OPER, "DataDigest=CRC32C,None|", "DataDigest=CRC32C|", OK,
	  "header_digest=0 data_digest=1" },
	{ 0, OPER, "DataDigest=None,CRC32C|", "DataDigest=None|", OK, "data_digest=0" },
	{ 0, OPER, "HeaderDigest=CRC32C|DataDigest=CRC32C|",
	  "HeaderDigest=CRC32C|DataDigest=CRC32C|", OK, "header_digest=1 data_digest=1" },
	{ 0, OPER, DISCOV "HeaderDigest=CRC32C|DataDigest=None,CRC32C|",
	  "HeaderDigest=CRC32C|DataDigest=None|", OK, "header_digest=1 data_digest=0" },
	{ 0, OPER, "DataDigest=Y-x.com-1,CRC32C,None|", "DataDigest=CRC32C|", OK, "data_digest=1" },
	{ 0, OPER, "DataDigest=Y-x.com-1,Z-md5|", "DataDigest=Reject|", OK, "data_digest=0" },
	{ 0, OPER, "DataDigest=CRC32|", "DataDigest=Reject|", OK, "data_digest=0" },
	{ 0, OPER, "DataDigest=crc32c|", "DataDigest=Reject|", OK, "data_digest=0" },
	{ 0, OPER, "DataDigest=CRC32CC,XCRC32C|", "DataDigest=Reject|", OK, "data_digest=0" },
	{ 0, OPER, "DataDigest=|", "DataDigest=Reject|", OK, "data_digest=0" },
	{ 0, SEC, "DataDigest=CRC32C|", "", BAD, "data_digest=0" },
	{ 0, FULL, "DataDigest=CRC32C|", "DataDigest=Reject|", OK, "data_digest=0" },
	{ "HeaderDigest=CRC32C|", OPER, "HeaderDigest=None|", "", BAD, "header_digest=1" },
	{ 0, OPER, "HeaderDigest=Y-x.com-1,None|", "HeaderDigest=None|", OK, 0 },
	{ 0, OPER, "HeaderDigest=none|", "HeaderDigest=Reject|", OK, 0 },
	{ 0, OPER, "HeaderDigest=,,None|", "HeaderDigest=None|", OK, 0 },
	{ 0, OPER, "HeaderDigest=None|HeaderDigest=None|", 0, BAD, 0 },
	{ "HeaderDigest=None|", OPER, "HeaderDigest=None|", "", BAD, 0 },

	/* --- numbers --- */
	{ 0, OPER, "MaxConnections=1|", "MaxConnections=1|", OK, "MaxConnections=1" },
	{ 0, OPER, "MaxConnections=65535|", "MaxConnections=1|", OK, "MaxConnections=1" },
	{ 0, OPER, "MaxConnections=0|", "MaxConnections=Reject|", OK, "MaxConnections=1" },
	{ 0, OPER, "MaxConnections=65536|", "MaxConnections=Reject|", OK, "MaxConnections=1" },
	{ 0, OPER, "MaxBurstLength=16776192|", "MaxBurstLength=1048576|", OK,
	  "MaxBurstLength=1048576" },
	{ 0, OPER, "MaxBurstLength=512|", "MaxBurstLength=512|", OK, "MaxBurstLength=512" },
	{ 0, OPER, "MaxBurstLength=511|", "MaxBurstLength=Reject|", OK, "MaxBurstLength=262144" },
	{ 0, OPER, "MaxBurstLength=16777215|", "MaxBurstLength=1048576|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=16777216|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=0x10000|", "MaxBurstLength=65536|", OK, "MaxBurstLength=65536" },
	{ 0, OPER, "MaxBurstLength=0X0001fFfF|", "MaxBurstLength=131071|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=-1|", "MaxBurstLength=Reject|", OK, "MaxBurstLength=262144" },
	{ 0, OPER, "MaxBurstLength=+65536|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength= 65536|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=65536 |", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=065536|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=65536k|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=6e4|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=0x|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=0xg|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=0b1010101010|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=4294967296|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=4294968320|", "MaxBurstLength=Reject|", OK, 0 }, /* 2^32+1024 */
	{ 0, OPER, "MaxBurstLength=18446744073709552640|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=0x100010000|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=0x100000000000000000000000000010000|", "MaxBurstLength=Reject|",
	  OK, 0 },
	{ 0, OPER, "MaxBurstLength=1,2|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=65536|MaxBurstLength=65536|", 0, BAD, "MaxBurstLength=262144" },
	{ "MaxBurstLength=65536|", OPER, "MaxBurstLength=4096|", "", BAD, "MaxBurstLength=65536" },
	{ "MaxBurstLength=1|", OPER, "MaxBurstLength=4096|", "", BAD, "MaxBurstLength=262144" },
	{ 0, OPER, "DefaultTime2Wait=0|", "DefaultTime2Wait=0|", OK, "DefaultTime2Wait=0" },
	{ 0, OPER, "DefaultTime2Wait=2|", "DefaultTime2Wait=2|", OK, "DefaultTime2Wait=2" },
	{ 0, OPER, "DefaultTime2Wait=3600|", "DefaultTime2Wait=3600|", OK, 0 },
	{ 0, OPER, "DefaultTime2Wait=3601|", "DefaultTime2Wait=Reject|", OK, "DefaultTime2Wait=2" },
	{ 0, OPER, "DefaultTime2Retain=20|", "DefaultTime2Retain=0|", OK, "DefaultTime2Retain=0" },
	{ 0, OPER, "DefaultTime2Retain=0|", "DefaultTime2Retain=0|", OK, 0 },
	{ 0, OPER, "DefaultTime2Retain=9999|", "DefaultTime2Retain=Reject|", OK,
	  "DefaultTime2Retain=20" },
	{ 0, OPER, "MaxOutstandingR2T=1|", "MaxOutstandingR2T=1|", OK, "MaxOutstandingR2T=1" },
	{ 0, OPER, "MaxOutstandingR2T=16|", "MaxOutstandingR2T=8|", OK, "MaxOutstandingR2T=8" },
	{ 0, OPER, "MaxOutstandingR2T=0|", "MaxOutstandingR2T=Reject|", OK, "MaxOutstandingR2T=1" },
	{ 0, OPER, "MaxOutstandingR2T=65536|", "MaxOutstandingR2T=Reject|", OK, 0 },
	{ 0, OPER, "ErrorRecoveryLevel=0|", "ErrorRecoveryLevel=0|", OK, "ErrorRecoveryLevel=0" },
	{ 0, OPER, "ErrorRecoveryLevel=2|", "ErrorRecoveryLevel=0|", OK, "ErrorRecoveryLevel=0" },
	{ 0, OPER, "ErrorRecoveryLevel=3|", "ErrorRecoveryLevel=Reject|", OK, 0 },
	{ 0, OPER, "iSCSIProtocolLevel=1|", "iSCSIProtocolLevel=1|", OK, "iSCSIProtocolLevel=1" },
	{ 0, OPER, "iSCSIProtocolLevel=2|", "iSCSIProtocolLevel=2|", OK, "iSCSIProtocolLevel=2" },
	{ 0, OPER, "iSCSIProtocolLevel=31|", "iSCSIProtocolLevel=2|", OK, "iSCSIProtocolLevel=2" },
	{ 0, OPER, "iSCSIProtocolLevel=0|", "iSCSIProtocolLevel=0|", OK, "iSCSIProtocolLevel=0" },
	{ 0, OPER, "iSCSIProtocolLevel=32|", "iSCSIProtocolLevel=Reject|", OK, 0 },

	/* --- MaxRecvDataSegmentLength 13.12: declared, any time --- */
	{ 0, OPER, "MaxRecvDataSegmentLength=262144|", "", OK, "MaxRecvDataSegmentLength=262144" },
	{ 0, SEC, "MaxRecvDataSegmentLength=512|", "", OK, "MaxRecvDataSegmentLength=512" },
	{ 0, OPER, "MaxRecvDataSegmentLength=16777215|", "", OK, 0 },
	{ 0, OPER, "MaxRecvDataSegmentLength=511|", "", BAD, "MaxRecvDataSegmentLength=8192" },
	{ 0, OPER, "MaxRecvDataSegmentLength=0|", "", BAD, "MaxRecvDataSegmentLength=8192" },
	{ 0, OPER, "MaxRecvDataSegmentLength=16777216|", "", BAD, "MaxRecvDataSegmentLength=8192" },
	{ "MaxRecvDataSegmentLength=4096|", OPER, "MaxRecvDataSegmentLength=8192|", "", BAD,
	  "MaxRecvDataSegmentLength=4096" },
	{ "MaxRecvDataSegmentLength=4096|", OPER, "MaxRecvDataSegmentLength=4096|", "", OK, 0 },
	{ "MaxRecvDataSegmentLength=4096|", FULL, "MaxRecvDataSegmentLength=65536|", "", OK,
	  "MaxRecvDataSegmentLength=65536" },
	{ 0, FULL, "MaxRecvDataSegmentLength=1|", "", BAD, "MaxRecvDataSegmentLength=8192" },

	/* --- booleans --- */
	{ 0, OPER, "InitialR2T=No|", "InitialR2T=No|", OK, "InitialR2T=0" },
	{ 0, OPER, "InitialR2T=Yes|", "InitialR2T=Yes|", OK, "InitialR2T=1" },
	{ 0, OPER | SMALL, "InitialR2T=No|", "InitialR2T=Yes|", OK, "InitialR2T=1" },
	{ 0, OPER, "InitialR2T=yes|", "InitialR2T=Reject|", OK, "InitialR2T=1" },
	{ 0, OPER, "InitialR2T=1|", "InitialR2T=Reject|", OK, "InitialR2T=1" },
	{ 0, OPER, "InitialR2T=|", "InitialR2T=Reject|", OK, "InitialR2T=1" },
	{ 0, OPER, "InitialR2T=Yes,No|", "InitialR2T=Reject|", OK, "InitialR2T=1" },
	{ 0, OPER, "ImmediateData=Yes|", "ImmediateData=Yes|", OK, "ImmediateData=1" },
	{ 0, OPER, "ImmediateData=No|", "ImmediateData=No|", OK, "ImmediateData=0" },
	{ 0, OPER | SMALL, "ImmediateData=Yes|", "ImmediateData=No|", OK, "ImmediateData=0" },
	{ 0, OPER, "DataPDUInOrder=No|", "DataPDUInOrder=Yes|", OK, "DataPDUInOrder=1" },
	{ 0, OPER, "DataSequenceInOrder=No|", "DataSequenceInOrder=Yes|", OK,
	  "DataSequenceInOrder=1" },
	{ 0, OPER, "DataPDUInOrder=Maybe|", "DataPDUInOrder=Reject|", OK, "DataPDUInOrder=1" },

	/* --- FirstBurstLength 13.14 hangs on three others, wherever they stand --- */
	{ 0, OPER, "FirstBurstLength=262144|", "FirstBurstLength=65536|", OK,
	  "FirstBurstLength=65536" },
	{ 0, OPER, "FirstBurstLength=512|", "FirstBurstLength=512|", OK, "FirstBurstLength=512" },
	{ 0, OPER, "FirstBurstLength=511|", "FirstBurstLength=Reject|", OK,
	  "FirstBurstLength=65536" },
	{ 0, OPER, "FirstBurstLength=65536|MaxBurstLength=8192|",
	  "MaxBurstLength=8192|FirstBurstLength=8192|", OK, "FirstBurstLength=8192" },
	{ "MaxBurstLength=4096|", OPER, "FirstBurstLength=65536|", "FirstBurstLength=4096|", OK,
	  0 },
	{ 0, OPER, "FirstBurstLength=65536|InitialR2T=Yes|ImmediateData=No|",
	  "InitialR2T=Yes|ImmediateData=No|FirstBurstLength=Irrelevant|", OK, 0 },
	{ 0, OPER, "FirstBurstLength=65536|InitialR2T=Yes|ImmediateData=Yes|",
	  "InitialR2T=Yes|ImmediateData=Yes|FirstBurstLength=65536|", OK, 0 },
	{ 0, OPER, "FirstBurstLength=65536|InitialR2T=No|ImmediateData=No|",
	  "InitialR2T=No|ImmediateData=No|FirstBurstLength=65536|", OK, 0 },
	{ 0, OPER, "ImmediateData=No|FirstBurstLength=65536|",
	  "ImmediateData=No|FirstBurstLength=Irrelevant|", OK, 0 },
	{ 0, OPER, "FirstBurstLength=4096|FirstBurstLength=4096|", 0, BAD, 0 },

	/* --- 13.23 to 13.25, and unknown keys (6.2) --- */
	{ 0, OPER, "TaskReporting=RFC3720|", "TaskReporting=RFC3720|", OK, "TaskReporting=0" },
	{ 0, OPER, "TaskReporting=FastAbort,ResponseFence,RFC3720|", "TaskReporting=FastAbort|", OK,
	  "TaskReporting=2" },
	{ 0, OPER, "TaskReporting=None,ResponseFence,FastAbort|", "TaskReporting=ResponseFence|",
	  OK, "TaskReporting=1" },
	{ 0, OPER, "TaskReporting=FastAbor,astAbort|", "TaskReporting=Reject|", OK,
	  "TaskReporting=0" },
	{ 0, OPER, "TaskReporting=,|", "TaskReporting=Reject|", OK, "TaskReporting=0" },
	{ 0, OPER, "OFMarker=No|IFMarker=No|", "OFMarker=No|IFMarker=No|", OK, 0 },
	{ 0, OPER, "OFMarker=Yes|IFMarker=Yes|", "OFMarker=No|IFMarker=No|", OK, 0 },
	{ 0, OPER, "OFMarker=2048~4096|", "OFMarker=Reject|", OK, 0 },
	{ 0, OPER, "OFMarkInt=2048~8192|IFMarkInt=1~65535|", "OFMarkInt=Reject|IFMarkInt=Reject|",
	  OK, 0 },
	{ 0, OPER, "X-com.example.Speed=ludicrous|", "X-com.example.Speed=NotUnderstood|", OK, 0 },
	{ 0, SEC, "X-com.example.Speed=1|", "X-com.example.Speed=NotUnderstood|", OK, 0 },
	{ 0, OPER, "X-com.example.List=" X255 "," X255 "|", "X-com.example.List=NotUnderstood|", OK,
	  0 },
	{ 0, FULL, "X#Foo=1|", "X#Foo=NotUnderstood|", OK, 0 },
	{ 0, OPER, "Z-key=1|Y-key=|", "Z-key=NotUnderstood|Y-key=NotUnderstood|", OK, 0 },
	{ 0, OPER, "maxburstlength=4096|", "maxburstlength=NotUnderstood|", OK,
	  "MaxBurstLength=262144" },
	{ 0, OPER, "RDMAExtensions=Yes|", "RDMAExtensions=NotUnderstood|", OK, 0 },
	{ 0, OPER, "Foo=NotUnderstood|", "", OK, 0 }, /* or two peers would play it for ever */
	{ 0, OPER, "MaxBurstLength=Reject|", "", BAD, 0 },
	{ 0, OPER, "MaxBurstLength=Irrelevant|", "", BAD, 0 },
	{ 0, OPER, "HeaderDigest=NotUnderstood|", "", BAD, 0 },
	{ 0, SEC, "InitiatorName=Reject|", "", BAD, 0 },

	/* --- discovery sessions: "Irrelevant when: SessionType=Discovery" --- */
	{ "S:" DISCOV, OPER, "MaxBurstLength=65536|FirstBurstLength=512|InitialR2T=No|",
	  "MaxBurstLength=Irrelevant|InitialR2T=Irrelevant|FirstBurstLength=Irrelevant|", OK,
	  "MaxBurstLength=262144 InitialR2T=1 FirstBurstLength=65536" },
	{ 0, OPER, "MaxConnections=4|ImmediateData=No|MaxOutstandingR2T=4|" DISCOV,
	  "MaxConnections=Irrelevant|ImmediateData=Irrelevant|MaxOutstandingR2T=Irrelevant|", OK,
	  "ImmediateData=1" },
	{ "S:" DISCOV, OPER, "DataPDUInOrder=Yes|DataSequenceInOrder=Yes|TaskReporting=RFC3720|",
	  "DataPDUInOrder=Irrelevant|DataSequenceInOrder=Irrelevant|TaskReporting=Irrelevant|", OK,
	  0 },
	{ "S:" DISCOV, OPER, "HeaderDigest=None|DefaultTime2Wait=2|ErrorRecoveryLevel=0|",
	  "HeaderDigest=None|DefaultTime2Wait=2|ErrorRecoveryLevel=0|", OK, 0 },
	{ "S:" DISCOV, OPER, "MaxBurstLength=65536|MaxBurstLength=65536|", 0, BAD, 0 },

	/* --- SendTargets 13.3, Appendix C --- */
	{ "S:" DISCOV, FULL, "SendTargets=All|", "", OK, "send_targets=1 SendTargets=All" },
	{ "S:" DISCOV, FULL, "SendTargets=IQN.2026-11.io.ringlun:disk|", "", OK,
	  "send_targets=1 SendTargets=" TGT },
	{ "S:" DISCOV, FULL, "SendTargets=|", "SendTargets=Reject|", OK, "send_targets=0" },
	{ "S:" DISCOV, FULL, "SendTargets=all|", "SendTargets=Reject|", OK, "send_targets=0" },
	{ "S:" DISCOV, FULL, "SendTargets=../../etc/passwd|", "SendTargets=Reject|", OK, 0 },
	{ "S:" DISCOV, FULL, "SendTargets=All|SendTargets=All|", 0, BAD, "send_targets=0" },
	{ "TargetName=" TGT "|", FULL, "SendTargets=|", "", OK, "send_targets=1 SendTargets=" },
	{ "TargetName=" TGT "|", FULL, "SendTargets=All|", "SendTargets=Reject|", OK,
	  "send_targets=0" },
	{ "TargetName=" TGT "|", FULL, "SendTargets=" TGT "|", "", OK, "send_targets=1" },
	{ "TargetName=" TGT "|", FULL, "SendTargets=" TGT "2|", "SendTargets=Reject|", OK,
	  "send_targets=0" },

	/* --- form 6.1 --- */
	{ 0, OPER, "", "", OK, 0 },
	{ 0, OPER, "|||", "", OK, 0 },
	{ 0, OPER, "InitialR2T=Yes||||", "InitialR2T=Yes|", OK, 0 },
	{ 0, OPER, "InitialR2T=Yes||ImmediateData=No|", 0, BAD, 0 },
	{ 0, OPER, "InitialR2T|", "", BAD, 0 },
	{ 0, OPER, "=Yes|", "", BAD, 0 },
	{ 0, OPER, "InitialR2T=Yes", "", BAD, "InitialR2T=1" },
	{ 0, OPER, "MaxBurstLength=65536|InitialR2T", 0, BAD, "MaxBurstLength=262144" },
	{ 0, OPER, "Initial R2T=Yes|", "", BAD, 0 },
	{ 0, OPER, "Initial\tR2T=Yes|", "", BAD, 0 },
	{ 0, OPER, "9Lives=Yes|", "", BAD, 0 },
	{ 0, OPER, "\xc3\xa4=Yes|", "", BAD, 0 },
	{ 0, OPER, "A" X16 X16 X16 "xxxxxxxxxxxxxx=1|",
	  "A" X16 X16 X16 "xxxxxxxxxxxxxx=NotUnderstood|", OK, 0 },    /* 63 */
	{ 0, OPER, "A" X16 X16 X16 "xxxxxxxxxxxxxxx=1|", "", BAD, 0 }, /* 64 */
	{ 0, OPER, "Foo=" X255 "|", "Foo=NotUnderstood|", OK, 0 },
	{ 0, OPER, "Foo=" X255 "x|", "", BAD, 0 },
	{ 0, OPER, "Foo=a=b=c|", "Foo=NotUnderstood|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=65536=1|", "MaxBurstLength=Reject|", OK, 0 },
	{ 0, OPER, "MaxBurstLength=\x01\x02|", "MaxBurstLength=Reject|", OK, 0 },

	/* --- what initiators really send --- */
	/* open-iscsi, no authentication: usr/login.c */
	{ 0, OPER,
	  "InitiatorName=" INI "|InitiatorAlias=host|TargetName=" TGT "|SessionType=Normal|"
	  "HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|DefaultTime2Retain=0|"
	  "IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|"
	  "MaxBurstLength=16776192|FirstBurstLength=262144|MaxOutstandingR2T=1|"
	  "MaxConnections=1|DataPDUInOrder=Yes|DataSequenceInOrder=Yes|"
	  "MaxRecvDataSegmentLength=262144|",
	  "HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|DefaultTime2Retain=0|"
	  "IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|"
	  "MaxBurstLength=1048576|MaxOutstandingR2T=1|MaxConnections=1|DataPDUInOrder=Yes|"
	  "DataSequenceInOrder=Yes|FirstBurstLength=65536|",
	  OK,
	  "InitialR2T=0 ImmediateData=1 MaxBurstLength=1048576 FirstBurstLength=65536 "
	  "MaxRecvDataSegmentLength=262144" },
	{ 0, SEC,
	  "InitiatorName=" INI "|InitiatorAlias=host|SessionType=Discovery|AuthMethod=None|", "",
	  OK, "discovery=1 auth_none=1" },
	{ "S:InitiatorName=" INI "|" DISCOV "AuthMethod=None|", OPER,
	  "HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|DefaultTime2Retain=0|"
	  "IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|MaxRecvDataSegmentLength=32768|",
	  "HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|DefaultTime2Retain=0|"
	  "IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|",
	  OK, "MaxRecvDataSegmentLength=32768" },
	/* libiscsi (iscsi-test-cu; QEMU with its own name): says who it is twice */
	{ 0, SEC,
	  "InitiatorName=iqn.2008-11.org.linux-kvm:vm|InitiatorAlias=vm|TargetName=" TGT
	  "|SessionType=Normal|AuthMethod=CHAP,None|",
	  "", OK, "auth_none=1" },
	{ "S:InitiatorName=iqn.2008-11.org.linux-kvm:vm|InitiatorAlias=vm|TargetName=" TGT
	  "|SessionType=Normal|AuthMethod=CHAP,None|",
	  OPER,
	  "InitiatorName=iqn.2008-11.org.linux-kvm:vm|InitiatorAlias=vm|TargetName=" TGT
	  "|SessionType=Normal|HeaderDigest=None,CRC32C|DataDigest=None|InitialR2T=No|"
	  "ImmediateData=Yes|MaxBurstLength=262144|FirstBurstLength=262144|"
	  "MaxRecvDataSegmentLength=262144|DataPDUInOrder=Yes|DefaultTime2Wait=2|"
	  "DefaultTime2Retain=0|IFMarker=No|OFMarker=No|MaxConnections=1|MaxOutstandingR2T=1|"
	  "ErrorRecoveryLevel=0|DataSequenceInOrder=Yes|",
	  "HeaderDigest=None|DataDigest=None|InitialR2T=No|ImmediateData=Yes|"
	  "MaxBurstLength=262144|DataPDUInOrder=Yes|DefaultTime2Wait=2|DefaultTime2Retain=0|"
	  "IFMarker=No|OFMarker=No|MaxConnections=1|MaxOutstandingR2T=1|ErrorRecoveryLevel=0|"
	  "DataSequenceInOrder=Yes|FirstBurstLength=65536|",
	  OK, "FirstBurstLength=65536 MaxBurstLength=262144" },
	/* iPXE */
	{ "S:InitiatorName=iqn.2010-04.org.ipxe:00|TargetName=" TGT
	  "|SessionType=Normal|AuthMethod=CHAP,None|",
	  OPER,
	  "HeaderDigest=None|DataDigest=None|MaxConnections=1|InitialR2T=Yes|ImmediateData=No|"
	  "MaxRecvDataSegmentLength=8192|MaxBurstLength=262144|DefaultTime2Wait=0|"
	  "DefaultTime2Retain=0|MaxOutstandingR2T=1|DataPDUInOrder=Yes|"
	  "DataSequenceInOrder=Yes|ErrorRecoveryLevel=0|",
	  "HeaderDigest=None|DataDigest=None|MaxConnections=1|InitialR2T=Yes|ImmediateData=No|"
	  "MaxBurstLength=262144|DefaultTime2Wait=0|DefaultTime2Retain=0|MaxOutstandingR2T=1|"
	  "DataPDUInOrder=Yes|DataSequenceInOrder=Yes|ErrorRecoveryLevel=0|",
	  OK, "InitialR2T=1 ImmediateData=0" },
	/* Windows */
	{ 0, SEC,
	  "InitiatorName=iqn.1991-05.com.microsoft:win-8kq|SessionType=Normal|TargetName=" TGT
	  "|AuthMethod=None|",
	  "", OK, "auth_none=1" },
	{ 0, OPER,
	  "HeaderDigest=None,CRC32C|DataDigest=None,CRC32C|ErrorRecoveryLevel=2|InitialR2T=No|"
	  "ImmediateData=Yes|MaxRecvDataSegmentLength=65536|MaxBurstLength=262144|"
	  "FirstBurstLength=65536|MaxConnections=8|DataPDUInOrder=Yes|DataSequenceInOrder=Yes|"
	  "DefaultTime2Wait=0|DefaultTime2Retain=60|MaxOutstandingR2T=16|",
	  "HeaderDigest=None|DataDigest=None|ErrorRecoveryLevel=0|InitialR2T=No|"
	  "ImmediateData=Yes|MaxBurstLength=262144|MaxConnections=1|DataPDUInOrder=Yes|"
	  "DataSequenceInOrder=Yes|DefaultTime2Wait=0|DefaultTime2Retain=0|"
	  "MaxOutstandingR2T=8|FirstBurstLength=65536|",
	  OK, "MaxOutstandingR2T=8 ErrorRecoveryLevel=0" },
	/* VMware ESXi */
	{ 0, OPER,
	  "InitiatorName=iqn.1998-01.com.vmware:esx1-4e2a|InitiatorAlias=esx1|TargetName=" TGT
	  "|SessionType=Normal|HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|"
	  "DefaultTime2Retain=0|IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|"
	  "ImmediateData=Yes|MaxBurstLength=262144|FirstBurstLength=262144|"
	  "MaxOutstandingR2T=1|MaxConnections=1|DataPDUInOrder=Yes|DataSequenceInOrder=Yes|"
	  "MaxRecvDataSegmentLength=131072|",
	  "HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|DefaultTime2Retain=0|"
	  "IFMarker=No|OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|"
	  "MaxBurstLength=262144|MaxOutstandingR2T=1|MaxConnections=1|DataPDUInOrder=Yes|"
	  "DataSequenceInOrder=Yes|FirstBurstLength=65536|",
	  OK, "MaxRecvDataSegmentLength=131072" },
};
