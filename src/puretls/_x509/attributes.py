"""OpenSSL's names of attribute types, which getpeercert() and repr() show; an unknown type is shown as its OID."""

from __future__ import annotations

_NAMES = {
    "2.5.4": """
        3 commonName; 4 surname; 5 serialNumber; 6 countryName; 7 localityName; 8 stateOrProvinceName; 9
        streetAddress; 10 organizationName; 11 organizationalUnitName; 12 title; 13 description; 14 searchGuide;
        15 businessCategory; 16 postalAddress; 17 postalCode; 18 postOfficeBox; 19 physicalDeliveryOfficeName;
        20 telephoneNumber; 21 telexNumber; 22 teletexTerminalIdentifier; 23 facsimileTelephoneNumber; 24
        x121Address; 25 internationaliSDNNumber; 26 registeredAddress; 27 destinationIndicator; 28
        preferredDeliveryMethod; 29 presentationAddress; 30 supportedApplicationContext; 31 member; 32 owner; 33
        roleOccupant; 34 seeAlso; 35 userPassword; 36 userCertificate; 37 cACertificate; 38
        authorityRevocationList; 39 certificateRevocationList; 40 crossCertificatePair; 41 name; 42 givenName;
        43 initials; 44 generationQualifier; 45 x500UniqueIdentifier; 46 dnQualifier; 47 enhancedSearchGuide; 48
        protocolInformation; 49 distinguishedName; 50 uniqueMember; 51 houseIdentifier; 52 supportedAlgorithms;
        53 deltaRevocationList; 54 dmdName; 65 pseudonym; 72 role; 97 organizationIdentifier; 98 countryCode3c;
        99 countryCode3n; 100 dnsName
    """,
    "1.2.840.113549.1.9": """
        1 emailAddress; 2 unstructuredName; 3 contentType; 4 messageDigest; 5 signingTime; 6 countersignature; 7
        challengePassword; 8 unstructuredAddress; 9 extendedCertificateAttributes; 14 Extension Request; 15
        S/MIME Capabilities; 16 S/MIME; 20 friendlyName; 21 localKeyID
    """,
    "0.9.2342.19200300.100.1": """
        1 userId; 2 textEncodedORAddress; 3 rfc822Mailbox; 4 info; 5 favouriteDrink; 6 roomNumber; 7 photo; 8
        userClass; 9 host; 10 manager; 11 documentIdentifier; 12 documentTitle; 13 documentVersion; 14
        documentAuthor; 15 documentLocation; 20 homeTelephoneNumber; 21 secretary; 22 otherMailbox; 23
        lastModifiedTime; 24 lastModifiedBy; 25 domainComponent; 26 aRecord; 27 pilotAttributeType27; 28
        mXRecord; 29 nSRecord; 30 sOARecord; 31 cNAMERecord; 37 associatedDomain; 38 associatedName; 39
        homePostalAddress; 40 personalTitle; 41 mobileTelephoneNumber; 42 pagerTelephoneNumber; 43
        friendlyCountryName; 44 uniqueIdentifier; 45 organizationalStatus; 46 janetMailbox; 47
        mailPreferenceOption; 48 buildingName; 49 dSAQuality; 50 singleLevelQuality; 51 subtreeMinimumQuality;
        52 subtreeMaximumQuality; 53 personalSignature; 54 dITRedirect; 55 audio; 56 documentPublisher
    """,
    "1.3.6.1.4.1.311.60.2.1": """
        1 jurisdictionLocalityName; 2 jurisdictionStateOrProvinceName; 3 jurisdictionCountryName
    """,
    "1.3.6.1.4.1.311.20.2": """
        3 Microsoft User Principal Name
    """,
    "1.3.6.1.4.1.311.17": """
        1 Microsoft CSP Name
    """,
    "1.2.643.3.131.1": """
        1 INN
    """,
    "1.2.643.100": """
        1 OGRN; 3 SNILS; 5 OGRNIP
    """,
    "1.3.6.1.5.5.7.9": """
        1 id-pda-dateOfBirth; 2 id-pda-placeOfBirth; 3 id-pda-gender; 4 id-pda-countryOfCitizenship; 5 id-pda-
        countryOfResidence
    """,
    "1.3.6.1.5.5.7.8": """
        1 id-on-personalData; 3 Permanent Identifier; 5 XmppAddr; 7 SRVName; 8 NAIRealm; 9 Smtp UTF8 Mailbox
    """,
    "1.3.6.1.5.5.7.3": """
        1 TLS Web Server Authentication; 2 TLS Web Client Authentication; 3 Code Signing; 4 E-mail Protection; 5
        IPSec End System; 6 IPSec Tunnel; 7 IPSec User; 8 Time Stamping; 9 OCSP Signing; 10 dvcs; 17 ipsec
        Internet Key Exchange; 18 Ctrl/provision WAP Access; 19 Ctrl/Provision WAP Termination; 21 SSH Client;
        22 SSH Server; 23 Send Router; 24 Send Proxied Router; 25 Send Owner; 26 Send Proxied Owner; 27 CMC
        Certificate Authority; 28 CMC Registration Authority; 29 CMC Archive Server
    """,
    "0.9.2342.19200300.100.4": """
        3 pilotObject; 4 pilotPerson; 5 account; 6 document; 7 room; 9 documentSeries; 13 Domain; 14
        rFC822localPart; 15 dNSDomain; 17 domainRelatedObject; 18 friendlyCountry; 19 simpleSecurityObject; 20
        pilotOrganization; 21 pilotDSA; 22 qualityLabelledData
    """,
}

LONG_NAMES: dict[str, str] = {
    f"{arc}.{number}": " ".join(words)
    for arc, block in _NAMES.items()
    for number, *words in (entry.split() for entry in block.split(";"))
}


# Types with another name in the one-line form.
_SHORT_NAMES = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
    "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.42": "GN", "2.5.4.98": "c3", "2.5.4.99": "n3",
    "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.3": "mail", "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.44": "uid", "0.9.2342.19200300.100.4.13": "domain",
    "1.2.840.113549.1.9.14": "extReq", "1.2.840.113549.1.9.15": "SMIME-CAPS", "1.2.840.113549.1.9.16": "SMIME",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC", "1.3.6.1.4.1.311.20.2.3": "msUPN", "1.3.6.1.4.1.311.17.1": "CSPName",
}  # fmt: skip


def long_name(oid: str) -> str:
    """The name of an attribute type."""
    return LONG_NAMES.get(oid, oid)


def short_name(oid: str) -> str:
    """Its name in the one-line form."""
    return _SHORT_NAMES.get(oid) or long_name(oid)
